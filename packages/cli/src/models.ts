import { existsSync } from 'node:fs';
import { loadModel, type LoadedModel } from '@hidden-attention/checkpoint';
import { openDevice } from '@hidden-attention/native';
import { listZoo, loadZoo } from '@hidden-attention/zoo';

/**
 * The model that `--model` names: an existing path, `zoo:NAME`, or (once there is hub access) a hub id, in this order.
 * @throws Error that says what was looked for and what there is
 */
export async function resolveModel(name: string, device?: string): Promise<LoadedModel> {
  const options = { device: openDevice(device) };
  if (existsSync(name)) return loadModel(name, options);
  if (name.startsWith('zoo:')) return loadZoo(name.slice(4), options);
  const zoo = listZoo().map((known) => `zoo:${known}`);
  throw new Error(
    `no model "${name}": there is no such file or folder; shipped models are ${zoo.join(', ')}. Models of a hub: download the folder and give its path`,
  );
}
