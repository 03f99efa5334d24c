import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { readConfig } from './config-json.js';
import { CheckpointError } from './errors.js';
import { formatOf, weightFormats } from './formats.js';
import { ourName } from './names.js';
import type { StoredTensor, TensorFile } from './file-reading.js';

/** A file of weights: its format, and its size in bytes. */
export interface FileFacts {
  name: string;
  format: string;
  bytes: number;
}

/** The weights of a model in one file or several, by our names. */
export interface Weights extends AsyncDisposable {
  /** the file, for error messages */
  path: string;
  files: readonly FileFacts[];
  tensors: ReadonlyMap<string, StoredTensor>;
  /** where the file itself says them (GGUF) */
  config?: Record<string, unknown> | undefined;
  tokenizer?: object | undefined;
  chatTemplate?: string | undefined;
}

/** Names under which weights lie in a folder, in the order in which they are looked for: safetensors first. */
const weightFiles = weightFormats.toReversed().flatMap(({ files }) => files);

/**
 * Opens the weights of a folder: one file, or the several that an index lists.
 * @throws CheckpointError saying what was looked for
 */
export async function openFolderWeights(folder: string): Promise<Weights> {
  const found = weightFiles.find((name) => existsSync(join(folder, name))) ?? (await onlyGguf(folder));
  if (!found) throw new CheckpointError(`${folder} has no weights: none of ${weightFiles.join(', ')} is there`);
  const path = join(folder, found);
  return openWeights(path, found.endsWith('.index.json') ? await filesOfIndex(folder, path) : [path]);
}

/** The GGUF file of a folder that has one, whatever it is called. */
async function onlyGguf(folder: string): Promise<string | undefined> {
  const files = (await readdir(folder)).filter((name) => name.endsWith('.gguf'));
  return files.length === 1 ? files[0] : undefined;
}

/** Opens one file, or the several that an index lists. */
export async function openWeights(path: string, files: readonly string[]): Promise<Weights> {
  const open: TensorFile[] = [];
  const facts: FileFacts[] = [];
  const close = async (): Promise<void> => {
    for (const file of open) await file.close();
  };
  try {
    const tensors = new Map<string, StoredTensor>();
    for (const name of files) {
      const format = await formatOf(name);
      const file = await format.open(name);
      open.push(file);
      facts.push({ name: basename(name), format: format.name, bytes: (await stat(name)).size });
      for (const [published, tensor] of file.tensors) {
        const ours = ourName(published);
        if (tensors.has(ours)) throw new CheckpointError(`${name}: parameter ${published} comes a second time; each must be stored once`);
        tensors.set(ours, tensor);
      }
    }
    const [{ config, tokenizer, metadata } = {}] = open as readonly Partial<TensorFile>[];
    const chatTemplate = config && metadata?.['tokenizer.chat_template'];
    return { path, files: facts, tensors, config, tokenizer, chatTemplate, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function filesOfIndex(folder: string, index: string): Promise<string[]> {
  const { weight_map: map } = await readConfig(index);
  const names = typeof map === 'object' && map !== null ? [...new Set<unknown>(Object.values(map))] : [];
  const wrong = names.find((name) => typeof name !== 'string' || name !== basename(name) || name === '..');
  if (names.length === 0 || wrong !== undefined) {
    throw new CheckpointError(
      `${index}: its weight_map ${wrong === undefined ? 'is empty or missing' : `names ${JSON.stringify(wrong)}`}; names of files in the same folder are needed`,
    );
  }
  return (names as string[]).sort().map((name) => join(folder, name));
}
