import { CheckpointError } from './errors.js';
import { readableBytes } from './readable.js';
import { streamingDecoder } from './streaming.js';
import type { Encoded, Tokenizer } from './tokenizer.js';

/**
 * The byte-level tokenizer: ids 0 to 255 are the bytes of UTF-8, ids above are specials, which stand for no text.
 * Half a surrogate pair is encoded, and bytes that are no UTF-8 are decoded, as U+FFFD (the WHATWG encoding standard).
 * @param specials names of the ids from 256 on
 */
export function byteTokenizer(vocabSize = 256, specials: readonly string[] = []): Tokenizer {
  if (!Number.isInteger(vocabSize) || vocabSize < 256)
    throw new CheckpointError(`a byte-level tokenizer needs a vocabulary of at least 256 ids; the model has ${vocabSize}`);
  const decode = (ids: readonly number[]): string =>
    new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(ids.filter((id) => id < 256)));
  return {
    kind: 'byte',
    vocabSize,
    specialIds: Array.from({ length: vocabSize - 256 }, (_, i) => 256 + i),
    encode: encodeBytes,
    decode,
    decoder: () => streamingDecoder(decode),
    tokenText: (id) => (id < 256 ? readableBytes(Uint8Array.of(id)) : (specials[id - 256] ?? `<special ${id}>`)),
    files: {},
  };
}

function encodeBytes(text: string): Encoded {
  const offsets: Encoded['offsets'] = [];
  let start = 0;
  for (const character of text) {
    const code = character.codePointAt(0)!;
    const bytes = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4; // half a pair: the three bytes of U+FFFD
    const end = start + character.length;
    for (let i = 0; i < bytes; i++) offsets.push([start, end]);
    start = end;
  }
  return { ids: Array.from(new TextEncoder().encode(text)), offsets };
}
