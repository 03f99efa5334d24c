import { sizeOf } from '@hidden-attention/tensor';
import type { HubOptions } from './hub.js';
import { openModel } from './open-model.js';
import { problemsOf, unusedNames, type Problems } from './problems.js';
import type { FileFacts } from './weights.js';

/** A model on disk, as its files tell without their numbers being read. */
export interface ModelDescription extends Problems {
  folder: string;
  files: readonly FileFacts[];
  /** `model_type`, and what people call the family */
  family: string;
  title: string;
  /** numbers of the parameters, and how many of them are stored in each type of the file: F16, Q8_0 */
  parameters: number;
  storedTypes: Record<string, number>;
  /** names in the files that the model has no use for */
  unused: string[];
}

/**
 * Says what a folder, a file or a model of the hub holds: also where it cannot be loaded because something is missing or misshapen.
 * @throws as `loadModel`, but for missing and misshapen parameters
 */
export async function describeModel(path: string, options: { hub?: HubOptions } = {}): Promise<ModelDescription> {
  await using found = await openModel(path, options.hub);
  const { folder, weights, family, config, specs } = found;
  const storedTypes: Record<string, number> = {};
  for (const name of Object.keys(specs)) {
    const stored = weights.tensors.get(name);
    if (!stored) continue;
    const type = stored.storedAs ?? stored.dtype;
    storedTypes[type] = (storedTypes[type] ?? 0) + sizeOf(stored.shape);
  }
  return {
    folder,
    files: weights.files,
    family: family.name,
    title: family.title ?? family.name,
    parameters: Object.values(specs).reduce((sum, { shape }) => sum + sizeOf(shape), 0),
    storedTypes,
    ...problemsOf(weights, specs),
    unused: await unusedNames(weights, specs, config),
  };
}
