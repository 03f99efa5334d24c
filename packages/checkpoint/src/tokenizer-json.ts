import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { CheckpointError } from './errors.js';
import type { Tokenizer } from './tokenizer.js';

/** A tokenizer.json through Hugging Face's own library, with offsets found by decoding piece by piece. */
export function parseTokenizer(path: string, json: unknown): Tokenizer {
  let inner: HuggingFaceTokenizer;
  try {
    inner = new HuggingFaceTokenizer(json as object, {});
  } catch (error) {
    throw new CheckpointError(`${path} is not a tokenizer.json: ${(error as Error).message}`);
  }
  const vocabSize = largestId(json) + 1;
  const decode = (ids: readonly number[]): string => (ids.length === 0 ? '' : inner.decode([...ids], { skip_special_tokens: true, clean_up_tokenization_spaces: false }));
  return {
    kind: 'tokenizer.json',
    vocabSize,
    encode(text) {
      const { ids } = inner.encode(text, { add_special_tokens: false });
      return { ids: [...ids], offsets: offsetsOf(text, ids, decode) };
    },
    decode,
    decoder() {
      const ids: number[] = [];
      let given = 0;
      return {
        push(id) {
          ids.push(id);
          const text = decode(ids);
          if (text.endsWith('\uFFFD')) return '';
          const fresh = text.slice(given);
          given = text.length;
          return fresh;
        },
        end: () => decode(ids).slice(given),
      };
    },
    tokenText: (id) => inner.id_to_token(id) ?? `<${id}>`,
  };
}

/**
 * Which part of the text each id covers: as long as the first k ids decode to a prefix of the text, its length is where id k
 * ends. Ids that end inside a character (their prefix ends in U+FFFD) cover the whole character.
 */
function offsetsOf(text: string, ids: readonly number[], decode: (ids: readonly number[]) => string): [number, number][] {
  // a window of a few ids is enough to decode what the next one adds; the whole prefix each time would be quadratic
  const ends: number[] = [];
  let anchor = 0;
  let anchorEnd = 0;
  for (let k = 0; k < ids.length; k++) {
    const piece = decode(ids.slice(anchor, k + 1));
    const whole = !piece.includes('\uFFFD') || text.startsWith(piece, anchorEnd);
    const found = whole ? text.indexOf(piece.trimStart(), anchorEnd) : -1;
    if (whole && found >= 0 && found <= anchorEnd + 2) {
      const end = found + piece.trimStart().length;
      ends.push(end);
      anchor = k + 1;
      anchorEnd = end;
    } else {
      ends.push(-1);
    }
  }
  const offsets: [number, number][] = [];
  let start = 0;
  for (let k = 0; k < ids.length; k++) {
    let next = k;
    while (next < ids.length && ends[next]! < 0) next++;
    const end = next < ids.length ? ends[next]! : text.length;
    offsets.push([start, end]);
    if (ends[k]! >= 0) start = ends[k]!;
  }
  return offsets;
}

function largestId(json: unknown): number {
  const { model, added_tokens: added = [] } = json as { model?: { vocab?: Record<string, number> | unknown[] }; added_tokens?: { id: number }[] };
  const vocab = model?.vocab ?? {};
  const ids = Array.isArray(vocab) ? vocab.map((_, i) => i) : Object.values(vocab);
  return [...ids, ...added.map(({ id }) => id)].reduce((largest, id) => Math.max(largest, id), -1);
}
