import { existsSync } from 'node:fs';
import { downloadModel, isHubId, loadModel, type LoadedModel, type LoadOptions } from '@hidden-attention/checkpoint';
import { openDevice } from '@hidden-attention/native';
import { listZoo, zooPath } from '@hidden-attention/zoo';
import { progressBar } from './progress.js';

/**
 * The model that `--model` names: an existing path, `zoo:NAME`, or a hub id, `org/name` or `org/name@revision`, in this order; its
 * weights held in f32 unless `dtype` says otherwise. Warnings about its weights go to standard error.
 * @throws Error that says what was looked for and what there is
 */
export async function resolveModel(name: string, device?: string, dtype: LoadOptions['dtype'] = 'f32'): Promise<LoadedModel> {
  const loaded = await findModel(name, { device: openDevice(device), dtype });
  for (const warning of loaded.warnings) process.stderr.write(`hidden-attention: warning: ${warning}\n`);
  return loaded;
}

async function findModel(name: string, options: LoadOptions): Promise<LoadedModel> {
  return loadModel(await pathOfModel(name), options);
}

/** The folder or file that `--model` names; a model of the hub is downloaded first, with progress. Throws as `resolveModel` does. */
export async function pathOfModel(name: string): Promise<string> {
  if (existsSync(name)) return name;
  if (name.startsWith('zoo:')) return zooPath(name.slice(4));
  const [id = '', revision] = name.split('@');
  if (isHubId(id)) {
    const bar = progressBar(`downloading ${id}`);
    try {
      const onProgress = ({ done, total, file }: { done: number; total: number; file: string }): void => bar.update(done, total, file);
      return await downloadModel(id, { revision, onProgress });
    } finally {
      bar.stop();
    }
  }
  const zoo = listZoo().map((known) => `zoo:${known}`);
  throw new Error(
    `no model "${name}": there is no such file or folder; shipped models are ${zoo.join(', ')}; a model of the hub has the form org/name`,
  );
}
