import { existsSync } from 'node:fs';
import { isHubId, loadModel, type LoadedModel, type LoadOptions } from '@hidden-attention/checkpoint';
import { listZoo, loadZoo } from '@hidden-attention/zoo';
import { EvaluateError } from './errors.js';

/** What a sweep's name of a model stands for: an existing path, `zoo:NAME`, or a hub id, in this order; undefined where it is none. */
export function findModel(name: string): 'path' | 'zoo' | 'hub' | undefined {
  if (existsSync(name)) return 'path';
  if (name.startsWith('zoo:')) return listZoo().includes(name.slice(4)) ? 'zoo' : undefined;
  return isHubId(name.split('@')[0]!) ? 'hub' : undefined;
}

/**
 * A model by the name that a sweep gives it.
 * @throws EvaluateError that says what was looked for and what there is
 */
export async function resolveModel(name: string, options: LoadOptions = {}): Promise<LoadedModel> {
  switch (findModel(name)) {
    case 'path':
      return loadModel(name, options);
    case 'zoo':
      return loadZoo(name.slice(4), options);
    case 'hub': {
      const [id, revision] = name.split('@') as [string, string | undefined];
      return loadModel(id, { ...options, ...(revision ? { hub: { revision } } : {}) });
    }
    case undefined:
      throw new EvaluateError(
        `no model "${name}": there is no such file or folder; shipped models are ${listZoo()
          .map((known) => `zoo:${known}`)
          .join(', ')}; a model of the hub has the form org/name`,
      );
  }
}
