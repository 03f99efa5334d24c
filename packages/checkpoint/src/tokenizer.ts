import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Model } from '@hidden-attention/model';
import { byteTokenizer } from './byte-tokenizer.js';
import { CheckpointError, fileTrouble } from './errors.js';
import { parseTokenizer } from './tokenizer-json.js';

/** Ids of a text, and for each the UTF-16 offsets of the part of the text that it covers. */
export interface Encoded {
  ids: number[];
  /** an id that holds a part of a character covers all of it; one that covers nothing has start = end */
  offsets: [start: number, end: number][];
}

/** Text to ids and back. */
export interface Tokenizer {
  kind: 'byte' | 'tokenizer.json';
  /** one more than the largest id */
  vocabSize: number;
  /** ids that stand for no text, such as the end of a sequence */
  specialIds: readonly number[];
  /** @param options.around whether the tokenizer's own special tokens are put around the text; default true */
  encode(text: string, options?: { around?: boolean }): Encoded;
  /** The text of ids, special ones left out; bytes that are no UTF-8 become U+FFFD. */
  decode(ids: readonly number[]): string;
  /** Decodes a stream: holds back what is not a whole character yet; all that it gives, joined, is what `decode` gives. */
  decoder(): { push(id: number): string; end(): string };
  /** A readable name of one id: its text, with <0x0A> for a byte that does not show. */
  tokenText(id: number): string;
  /** what to write beside a saved model, by file name */
  files: Readonly<Record<string, string>>;
}

/**
 * The tokenizer of a model folder: tokenizer.json if it is there; else the byte-level one, where the vocabulary is 256 plus the
 * `special_tokens` that config.json declares (a list of names, for the ids from 256 on); else null.
 */
export async function tokenizerFor(folder: string, model: Model): Promise<Tokenizer | null> {
  const path = join(folder, 'tokenizer.json');
  if (existsSync(path)) return loadTokenizer(path);
  const declared = model.json['special_tokens'];
  const specials = Array.isArray(declared) ? declared.map(String) : [];
  return model.config.vocabSize === 256 + specials.length ? byteTokenizer(model.config.vocabSize, specials) : null;
}

/**
 * Reads a tokenizer.json, and the tokenizer_config.json beside it if there is one.
 * @throws CheckpointError naming the file and what is wrong with it
 */
export async function loadTokenizer(path: string): Promise<Tokenizer> {
  const text = await readText(path);
  const configPath = join(dirname(path), 'tokenizer_config.json');
  const config = existsSync(configPath) ? await readText(configPath) : undefined;
  return parseTokenizer(path, text, config);
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new CheckpointError(`cannot read ${path}: ${fileTrouble(error)}`, { cause: error });
  }
}

/** The tokenizer of a loaded model. @throws CheckpointError that says what to give in place of text */
export function requireTokenizer(loaded: { tokenizer: Tokenizer | null; folder: string; model: Model }): Tokenizer {
  if (loaded.tokenizer) return loaded.tokenizer;
  throw new CheckpointError(
    `${loaded.folder} has no tokenizer.json, and its vocabulary of ${loaded.model.config.vocabSize} is not byte-level (256 plus declared specials): ` +
      'text cannot be read. Give --ids F (a JSON array of token ids), or put a tokenizer.json beside config.json',
  );
}
