import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readSafetensors, writeSafetensors } from '@hidden-attention/checkpoint';
import { Tensor, type Device } from '@hidden-attention/tensor';
import { TrainError } from './errors.js';
import type { TrainConfig } from './config.js';
import type { Evaluation } from './objective.js';

/** Where a training stands, beside its tensors. */
export interface Progress {
  /** steps done */
  step: number;
  seconds: number;
  tokens: number;
  best: { step: number; evaluation: Evaluation } | null;
  config: TrainConfig;
}

/** The tensors of a checkpoint, by file. */
export type CheckpointTensors = Record<'model' | 'optimizer', ReadonlyMap<string, Tensor<'f32'>>>;

const folderOf = (out: string): string => join(out, 'checkpoint');

/**
 * Writes a checkpoint beside the last one and puts it in its place, so that at any moment one of them is whole.
 */
export async function saveCheckpoint(out: string, progress: Progress, tensors: CheckpointTensors): Promise<void> {
  const folder = folderOf(out);
  const fresh = `${folder}.new`;
  const old = `${folder}.old`;
  await rm(fresh, { recursive: true, force: true });
  await mkdir(fresh, { recursive: true });
  for (const [file, map] of Object.entries(tensors)) await writeTensors(join(fresh, `${file}.safetensors`), map);
  await writeFile(join(fresh, 'progress.json'), JSON.stringify(progress, null, 2));
  await rm(old, { recursive: true, force: true });
  if (existsSync(folder)) await rename(folder, old);
  await rename(fresh, folder);
  await rm(old, { recursive: true, force: true });
}

/** Whether a checkpoint is there to go on from. */
export function hasCheckpoint(out: string): boolean {
  return existsSync(folderOf(out)) || existsSync(`${folderOf(out)}.old`);
}

/**
 * Reads the checkpoint in `out`.
 * @throws TrainError when there is none, or when it was made by another recipe (naming the fields that differ)
 */
export async function loadCheckpoint(out: string, config: TrainConfig, device: Device): Promise<{ progress: Progress; tensors: CheckpointTensors }> {
  if (!hasCheckpoint(out)) throw new TrainError(`${out} holds no checkpoint to resume from; leave --resume out to start`);
  const folder = existsSync(folderOf(out)) ? folderOf(out) : `${folderOf(out)}.old`;
  const progress = JSON.parse(await readFile(join(folder, 'progress.json'), 'utf8')) as Progress;
  const differing = (Object.keys({ ...config, ...progress.config }) as (keyof TrainConfig)[]).filter(
    (key) => JSON.stringify(config[key]) !== JSON.stringify(progress.config[key]),
  );
  if (differing.length > 0) {
    const seen = differing.map((key) => `${key} was ${JSON.stringify(progress.config[key])} and is ${JSON.stringify(config[key])}`);
    throw new TrainError(`${out} was begun with another recipe: ${seen.join('; ')}. Use the old recipe, or another --out`);
  }
  const tensors = { model: await readTensors(join(folder, 'model.safetensors'), device), optimizer: await readTensors(join(folder, 'optimizer.safetensors'), device) };
  return { progress, tensors };
}

/** Writes tensors under their names. */
export async function writeTensors(path: string, tensors: ReadonlyMap<string, Tensor<'f32'>>): Promise<void> {
  const list = await Promise.all([...tensors].map(async ([name, tensor]) => ({ name, dtype: 'F32' as const, shape: tensor.shape, data: await tensor.read() })));
  await writeSafetensors(path, list);
}

async function readTensors(path: string, device: Device): Promise<Map<string, Tensor<'f32'>>> {
  const file = await readSafetensors(path);
  const tensors = new Map<string, Tensor<'f32'>>();
  try {
    for (const tensor of file.tensors.values()) tensors.set(tensor.name, Tensor.from((await tensor.read()) as Float32Array, tensor.shape, device));
  } finally {
    await file.close();
  }
  return tensors;
}
