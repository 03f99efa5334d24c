import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { LoadedModel, LoadOptions } from '@hidden-attention/checkpoint';

const folder = join(dirname(fileURLToPath(import.meta.url)), '../models');

/** Names of the models that ship with this package. */
export function listZoo(): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(join(folder, entry.name, 'config.json')))
    .map((entry) => entry.name)
    .sort();
}

/**
 * The folder of a shipped model, in Hugging Face layout, with its model card (README.md).
 * @throws Error listing the known names
 */
export function zooPath(name: string): string {
  if (!listZoo().includes(name)) throw new Error(`the zoo has no model "${name}"; it has: ${listZoo().join(', ')}`);
  return join(folder, name);
}

/** A shipped model, loaded: `zoo:mail` is loadZoo('mail'). */
export async function loadZoo(name: string, options: LoadOptions = {}): Promise<LoadedModel> {
  const path = zooPath(name);
  return (await import('@hidden-attention/checkpoint')).loadModel(path, options);
}
