import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { getFamily, type ModelConfig, type ModelFamily, type ParameterSpec } from '@hidden-attention/model';
import { readConfig } from './config-json.js';
import { CheckpointError, fileTrouble } from './errors.js';
import { downloadModel, isHubId, type HubOptions } from './hub.js';
import { fromOriginal, isOriginal } from './original-config.js';
import { openFolderWeights, openWeights, type Weights } from './weights.js';

/** A model on disk: what it is, and its files, open, none of their numbers read. */
export interface OpenModel extends AsyncDisposable {
  folder: string;
  weights: Weights;
  /** config.json in Hugging Face's fields, whichever layout it is written in */
  json: Record<string, unknown>;
  family: ModelFamily;
  config: ModelConfig;
  /** the parameters that such a model has */
  specs: Record<string, ParameterSpec>;
}

/**
 * Opens a model: a folder, a file of weights with its config.json beside it, or `org/name` of the hub.
 * @throws CheckpointError for a missing or damaged file, ModelError for a config.json that its family refuses, or an unknown family
 */
export async function openModel(path: string, hub?: HubOptions): Promise<OpenModel> {
  const found = await stat(path).catch((error: unknown) => {
    if (isHubId(path)) return undefined;
    throw new CheckpointError(`no model at ${path}: ${fileTrouble(error)}. Give a folder with config.json and model.safetensors`, {
      cause: error,
    });
  });
  if (!found) return openModel(await downloadModel(path, hub), hub);
  const folder = found.isDirectory() ? path : dirname(path);
  const weights = found.isDirectory() ? await openFolderWeights(path) : await openWeights(path, [path]);
  try {
    const json = weights.config ?? (await readModelConfig(join(folder, 'config.json')));
    const family = getFamily(String(json['model_type']));
    const config = family.parseConfig(json);
    const close = (): PromiseLike<void> => weights[Symbol.asyncDispose]();
    return { folder, weights, json, family, config, specs: family.parameters(config), [Symbol.asyncDispose]: close };
  } catch (error) {
    await weights[Symbol.asyncDispose]();
    throw error;
  }
}

/** A config.json in Hugging Face's fields, whichever layout it is written in. */
async function readModelConfig(path: string): Promise<Record<string, unknown>> {
  const json = await readConfig(path);
  return isOriginal(json) ? fromOriginal(path, json) : json;
}
