import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { readConfig } from './config-json.js';
import { CheckpointError } from './errors.js';
import { ourName } from './names.js';
import { readSafetensors, type SafetensorsFile, type StoredTensor } from './safetensors.js';

/** The weights of a model in one file or several, by our names. */
export interface Weights extends AsyncDisposable {
  /** the file, for error messages */
  path: string;
  tensors: ReadonlyMap<string, StoredTensor>;
}

/**
 * Opens the weights of a folder: model.safetensors, or the files that model.safetensors.index.json lists.
 * @throws CheckpointError saying what was looked for and what is there
 */
export async function openFolderWeights(folder: string): Promise<Weights> {
  const single = join(folder, 'model.safetensors');
  if (existsSync(single)) return openWeights(single, [single]);
  const index = join(folder, 'model.safetensors.index.json');
  if (existsSync(index)) return openWeights(index, await filesOfIndex(folder, index));
  const pickled = ['pytorch_model.bin', 'pytorch_model.bin.index.json'].find((name) => existsSync(join(folder, name)));
  const instead = pickled ? `; ${pickled} is there, which is not read: save the model again as safetensors` : '';
  throw new CheckpointError(`${folder} has no weights: neither model.safetensors nor model.safetensors.index.json is there${instead}`);
}

/** Opens one file, or the several that an index lists. */
export async function openWeights(path: string, files: readonly string[]): Promise<Weights> {
  const open: SafetensorsFile[] = [];
  const close = async (): Promise<void> => {
    for (const file of open) await file.close();
  };
  try {
    const tensors = new Map<string, StoredTensor>();
    for (const name of files) {
      const file = await readSafetensors(name);
      open.push(file);
      for (const [published, tensor] of file.tensors) {
        const ours = ourName(published);
        if (tensors.has(ours)) throw new CheckpointError(`${name}: parameter ${published} comes a second time; each must be stored once`);
        tensors.set(ours, tensor);
      }
    }
    return { path, tensors, [Symbol.asyncDispose]: close };
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
