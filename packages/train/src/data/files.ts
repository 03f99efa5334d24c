import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Tokenizer } from '@hidden-attention/checkpoint';
import { TrainError } from '../errors.js';
import type { DataFile } from './data.js';

/** Ids of a text: bytes as bytes, to take little memory. */
export type Ids = Uint8Array | Int32Array;

/**
 * A data file's bytes, and how it is recorded.
 * @throws TrainError when it is missing, unreadable or empty
 */
export async function readDataFile(path: string): Promise<{ bytes: Buffer; file: DataFile }> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new TrainError(code === 'ENOENT' ? `data file ${path} does not exist` : `data file ${path} cannot be read: ${message}`);
  }
  if (bytes.length === 0) throw new TrainError(`data file ${path} is empty`);
  const { createHash } = await import('node:crypto');
  return { bytes, file: { name: basename(path), bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') } };
}

/** UTF-8 text as ids: with the byte-level tokenizer the bytes themselves. */
export function idsOf(bytes: Uint8Array, tokenizer: Tokenizer): Ids {
  return tokenizer.kind === 'byte' ? bytes : Int32Array.from(tokenizer.encode(new TextDecoder().decode(bytes)).ids);
}
