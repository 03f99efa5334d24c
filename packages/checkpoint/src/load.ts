import { existsSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { getFamily, Model } from '@hidden-attention/model';
import { formatShape, openDevice, Tensor, type Device } from '@hidden-attention/tensor';
import { CheckpointError } from './errors.js';
import { readSafetensors, type SafetensorsEntry } from './safetensors.js';
import { tokenizerFor, type Tokenizer } from './tokenizer.js';

export interface LoadOptions {
  device?: Device;
  /** load weights that are NaN or infinite all the same */
  allowNonFinite?: boolean;
}

/** A model as it was found on disk. */
export interface LoadedModel {
  model: Model;
  tokenizer: Tokenizer | null;
  folder: string;
  /** names in the file that the model has no use for */
  unused: string[];
}

/**
 * Loads a model from a folder in Hugging Face layout (config.json, model.safetensors, tokenizer.json if any), or from the
 * path of its weight file. Weights become f32.
 * @throws CheckpointError for a missing or damaged file, missing or misshapen parameters (all of them named), weights that are not numbers
 */
export async function loadModel(path: string, options: LoadOptions = {}): Promise<LoadedModel> {
  if (!existsSync(path)) throw new CheckpointError(`${path} does not exist; give a folder with config.json and model.safetensors`);
  const folder = statSync(path).isDirectory() ? path : dirname(path);
  const weights = statSync(path).isDirectory() ? join(folder, 'model.safetensors') : path;
  for (const needed of [join(folder, 'config.json'), weights]) {
    if (!existsSync(needed)) throw new CheckpointError(`${needed} does not exist; a model folder holds config.json and model.safetensors`);
  }
  const json = await readConfig(join(folder, 'config.json'));
  const family = getFamily(String(json['model_type']));
  const config = family.parseConfig(json);
  const device = options.device ?? openDevice();
  const file = await readSafetensors(weights);
  try {
    const specs = family.parameters(config);
    checkParameters(weights, file.tensors, specs);
    const parameters = new Map<string, Tensor<'f32'>>();
    for (const [name, { shape }] of Object.entries(specs)) {
      const data = (await file.tensors.get(name)!.read()) as Float32Array;
      if (!options.allowNonFinite) refuseNonFinite(weights, name, data);
      parameters.set(name, Tensor.from(data, shape, device));
    }
    const model = new Model(family, config, json, parameters, device);
    const unused = [...file.tensors.keys()].filter((name) => !Object.hasOwn(specs, name));
    return { model, tokenizer: await tokenizerFor(folder, model), folder, unused };
  } finally {
    await file.close();
  }
}

async function readConfig(path: string): Promise<Record<string, unknown>> {
  const text = await readFile(path, 'utf8');
  try {
    const json: unknown = JSON.parse(text);
    if (typeof json !== 'object' || json === null || Array.isArray(json)) throw new Error('it is not a JSON object');
    return json as Record<string, unknown>;
  } catch (error) {
    throw new CheckpointError(`${path}: ${(error as Error).message}`);
  }
}

function checkParameters(path: string, found: ReadonlyMap<string, SafetensorsEntry>, specs: Record<string, { shape: readonly number[] }>): void {
  const problems: string[] = [];
  for (const [name, { shape }] of Object.entries(specs)) {
    const entry = found.get(name);
    if (!entry) problems.push(`${name} ${formatShape(shape)} is missing`);
    else if (formatShape(entry.shape) !== formatShape(shape)) problems.push(`${name} is ${formatShape(entry.shape)}; config.json makes it ${formatShape(shape)}`);
    else if (!['F32', 'F16', 'BF16', 'F64'].includes(entry.dtype)) problems.push(`${name} is ${entry.dtype}; a floating-point type is needed`);
  }
  if (problems.length === 0) return;
  const shown = problems.slice(0, 8).join('; ');
  throw new CheckpointError(`${path} does not fit its config.json: ${shown}${problems.length > 8 ? `; and ${problems.length - 8} more` : ''}`);
}

function refuseNonFinite(path: string, name: string, data: Float32Array): void {
  let count = 0;
  for (const value of data) if (!Number.isFinite(value)) count++;
  if (count > 0) throw new CheckpointError(`${path}: ${name} holds ${count} NaN or infinite numbers of ${data.length}; the file is damaged or its training diverged`);
}
