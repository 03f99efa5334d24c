import { checkSpans } from './check.js';

/** A token as the tokenizer gave it. `start` and `end` are UTF-16 code unit offsets into the text (JavaScript string indices). */
export interface Token {
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/** A scored stretch of text, UTF-16 offsets, end exclusive. */
export interface Span {
  readonly start: number;
  readonly end: number;
  readonly score: number;
}

/**
 * A piece of what is drawn. Pieces in order cover the text; `score` is null between spans. `marker` pieces stand for tokens that
 * have no text of their own (a start-of-text token), and show the token's name.
 */
export interface Piece {
  readonly text: string;
  readonly score: number | null;
  readonly marker: boolean;
}

/** A special token's span is empty and named. */
interface NamedSpan extends Span {
  readonly name?: string;
}

/** How tokenizers write a byte that is no character by itself. */
const BYTE_PIECE = /^(?:.?|.*\ufffd.*|<0x[0-9a-f]{2}>)$/is;

const isLowSurrogate = (unit: number): boolean => unit >= 0xdc00 && unit <= 0xdfff;

/**
 * Tokens → spans that can be read. Tokens that share a character (the bytes of one letter in a byte-level vocabulary) become one
 * span whose score is their sum; an empty token that is a stray byte joins the span it touches; an empty token with a name stays apart as a
 * marker. `scores` has one number per token.
 */
export function tokenSpans(text: string, tokens: readonly Token[], scores: ArrayLike<number>): NamedSpan[] {
  if (scores.length !== tokens.length)
    throw new RangeError(`tokenStrip: ${scores.length} scores for ${tokens.length} tokens; it needs one per token`);
  checkSpans('tokenStrip: tokens', tokens, text);
  const spans: { start: number; end: number; score: number; name?: string }[] = [];
  tokens.forEach((token, index) => {
    const score = scores[index]!;
    const start = isLowSurrogate(text.charCodeAt(token.start)) ? Math.max(0, token.start - 1) : token.start;
    const end = isLowSurrogate(text.charCodeAt(token.end)) ? token.end + 1 : token.end;
    const last = spans.at(-1);
    const empty = start === end;
    const stray = empty && BYTE_PIECE.test(token.text);
    if (empty && !stray) spans.push({ start, end, score, name: token.text });
    else if (last && last.name === undefined && touches(last, start, stray)) {
      last.end = Math.max(last.end, end);
      last.score += score;
    } else spans.push({ start, end, score });
  });
  return spans;
}

/** Whether a token at `start` belongs to the span before it: it shares a character, or one of the two is a stray byte beside the other. */
function touches(last: Span, start: number, stray: boolean): boolean {
  return start < last.end || (start === last.end && (stray || last.start === last.end));
}

/** What a stretch of text shows: line endings of every kind as one line feed. */
function shown(text: string, start: number, end: number): string {
  const slice = text.slice(start, end).replace(/\r\n/g, '\n');
  return (slice.endsWith('\r') && text[end] === '\n' ? slice.slice(0, -1) : slice).replace(/\r/g, '\n');
}

/** Spans in text order, none overlapping → the pieces that cover the whole text. */
export function pieces(text: string, spans: readonly NamedSpan[]): Piece[] {
  const result: Piece[] = [];
  let position = 0;
  const plain = (end: number): void => {
    const gap = shown(text, position, end);
    if (gap) result.push({ text: gap, score: null, marker: false });
    position = Math.max(position, end);
  };
  for (const { start, end, score, name } of spans) {
    plain(start);
    result.push({ text: name ?? shown(text, start, end), score, marker: name !== undefined });
    position = end;
  }
  plain(text.length);
  return result;
}
