import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Model } from '@hidden-attention/model';
import { byteTokenizer } from './byte-tokenizer.js';
import { CheckpointError, fileTrouble } from './errors.js';
import { parseTokenizer } from './tokenizer-json.js';
import type { Tokenizer } from './tokenizer.js';

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
