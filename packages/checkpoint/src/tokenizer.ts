import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Model } from '@hidden-attention/model';
import { CheckpointError } from './errors.js';

/** Text to ids and back. Offsets say which part of the text each id covers. */
export interface Tokenizer {
  kind: 'byte' | 'tokenizer.json';
  vocabSize: number;
  /** ids, and for each the UTF-16 offsets of the text that it covers; a byte inside a character covers all of the character */
  encode(text: string): { ids: number[]; offsets: [start: number, end: number][] };
  decode(ids: readonly number[]): string;
  /** Decodes a stream: holds back what does not make a whole character yet. */
  decoder(): { push(id: number): string; end(): string };
  /** A readable name of one id: its text, or <0x0A> for what does not show. */
  tokenText(id: number): string;
}

/**
 * The byte-level tokenizer: ids 0 to 255 are the bytes of UTF-8, ids above are specials, which stand for no text.
 * Decoding replaces invalid UTF-8 by U+FFFD, as the WHATWG decoder does.
 */
export function byteTokenizer(vocabSize = 256): Tokenizer {
  if (vocabSize < 256) throw new CheckpointError(`a byte-level tokenizer needs a vocabulary of at least 256; the model has ${vocabSize}`);
  const bytesOf = (ids: readonly number[]): Uint8Array => Uint8Array.from(ids.filter((id) => id < 256));
  return {
    kind: 'byte',
    vocabSize,
    encode(text) {
      const ids = [...new TextEncoder().encode(text)];
      const offsets: [number, number][] = [];
      let at = 0;
      for (const character of text) {
        // a lone surrogate is encoded as U+FFFD: three bytes
        const code = character.codePointAt(0)!;
        const bytes = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
        for (let i = 0; i < bytes; i++) offsets.push([at, at + character.length]);
        at += character.length;
      }
      return { ids, offsets };
    },
    decode: (ids) => new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytesOf(ids)),
    decoder() {
      const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
      return { push: (id) => decoder.decode(bytesOf([id]), { stream: true }), end: () => decoder.decode() };
    },
    tokenText(id) {
      if (id >= 256) return `<special ${id}>`;
      return id >= 0x20 && id < 0x7f ? String.fromCharCode(id) : `<0x${id.toString(16).toUpperCase().padStart(2, '0')}>`;
    },
  };
}

/**
 * The tokenizer of a model folder: tokenizer.json if it is there; else the byte-level one, where the vocabulary is 256 plus
 * `special_tokens` of config.json; else null.
 */
export async function tokenizerFor(folder: string, model: Model): Promise<Tokenizer | null> {
  const path = join(folder, 'tokenizer.json');
  if (existsSync(path)) return loadTokenizer(path);
  const specials = Array.isArray(model.json['special_tokens']) ? model.json['special_tokens'].length : 0;
  return model.config.vocabSize === 256 + specials ? byteTokenizer(model.config.vocabSize) : null;
}

/** Reads a tokenizer.json. */
export async function loadTokenizer(path: string): Promise<Tokenizer> {
  const { parseTokenizer } = await import('./tokenizer-json.js');
  let json: unknown;
  try {
    json = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw new CheckpointError(`${path}: ${(error as Error).message}`);
  }
  return parseTokenizer(path, json);
}

/** The tokenizer of a loaded model. @throws CheckpointError saying what to give instead of text */
export function requireTokenizer(loaded: { tokenizer: Tokenizer | null; folder: string; model: Model }): Tokenizer {
  if (loaded.tokenizer) return loaded.tokenizer;
  throw new CheckpointError(
    `${loaded.folder} has no tokenizer.json, and its vocabulary of ${loaded.model.config.vocabSize} is not byte-level (256 plus declared specials): text cannot be read. Give --ids F (a JSON array of token ids), or put a tokenizer.json beside config.json`,
  );
}
