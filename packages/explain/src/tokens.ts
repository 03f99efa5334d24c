import type { Tokenizer } from '@hidden-attention/checkpoint';
import { ExplainError } from './errors.js';

/** A token of a text: `start` and `end` are UTF-16 offsets, end exclusive. */
export interface Token {
  id: number;
  text: string;
  start: number;
  end: number;
}

/** One text to explain: ids, and where they come from a text, that text and the part of it that each id covers. */
export interface InputRow {
  ids: ArrayLike<number>;
  text?: string | null;
  offsets?: readonly (readonly [start: number, end: number])[];
}

/** What `explain` takes: a text, the ids of one text, or several texts in either form. */
export type ExplainInput = string | readonly number[] | readonly (string | ArrayLike<number> | InputRow)[];

/** What of a tokenizer is needed here. */
export type TextTokenizer = Pick<Tokenizer, 'encode' | 'tokenText'>;

/** A row in full. Without a text, `text` is null and the tokens' offsets are those in their own texts joined by spaces. */
export interface TokenizedRow {
  ids: Int32Array;
  text: string | null;
  tokens: Token[];
}

/** @throws ExplainError for no text, an empty one, or text without a tokenizer */
export function readRows(input: ExplainInput, tokenizer: TextTokenizer | null | undefined): TokenizedRow[] {
  const rows =
    typeof input === 'string'
      ? [input]
      : typeof input[0] === 'number'
        ? [input as readonly number[]]
        : (input as readonly (string | ArrayLike<number> | InputRow)[]);
  if (rows.length === 0) throw new ExplainError('there is no text to explain; give at least one row');
  return rows.map((row, index) => {
    const { ids, text = null, offsets } = typeof row === 'string' ? encoded(row, index, tokenizer) : 'ids' in row ? row : { ids: row };
    if (ids.length === 0) throw new ExplainError(`row ${index} is empty; at least one token is needed`);
    if (text !== null && offsets?.length !== ids.length)
      throw new ExplainError(`row ${index} has a text and ${offsets?.length ?? 0} offsets for ${ids.length} ids; give one a token`);
    return { ids: Int32Array.from(ids), text, tokens: tokensOf(ids, text === null ? undefined : offsets, tokenizer) };
  });
}

function encoded(text: string, index: number, tokenizer: TextTokenizer | null | undefined): InputRow {
  if (!tokenizer) throw new ExplainError(`row ${index} is text, and no tokenizer was given; pass the model's tokenizer, or ids`);
  return { text, ...tokenizer.encode(text) };
}

function tokensOf(ids: ArrayLike<number>, offsets: InputRow['offsets'], tokenizer: TextTokenizer | null | undefined): Token[] {
  let end = -1;
  return Array.from(ids, (id, at) => {
    const text = tokenizer ? tokenizer.tokenText(id) : String(id);
    const start = end + 1;
    end = start + text.length;
    const place = offsets?.[at];
    return place ? { id, text, start: place[0], end: place[1] } : { id, text, start, end };
  });
}
