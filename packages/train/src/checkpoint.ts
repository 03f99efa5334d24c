import { existsSync } from 'node:fs';
import { readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { loadModel, readSafetensors, saveModel, writeFileAtomic, writeSafetensors } from '@hidden-attention/checkpoint';
import type { Model } from '@hidden-attention/model';
import { Tensor, type Device } from '@hidden-attention/tensor';
import { configDifferences, type TrainConfig } from './config.js';
import type { DataFile } from './data/data.js';
import { TrainError } from './errors.js';
import type { Evaluation } from './objective.js';
import type { Weights } from './weights.js';

/** Where a training stands, beside its tensors. */
export interface Progress {
  config: TrainConfig;
  files: readonly DataFile[];
  /** steps done */
  step: number;
  seconds: number;
  tokens: number;
  /** the last evaluation, and the best */
  last: { step: number; evaluation: Evaluation } | null;
  best: { step: number; evaluation: Evaluation } | null;
}

/** All that a training needs to go on as if it had never stopped. */
export interface Checkpoint {
  progress: Progress;
  /** a checkpoint is itself a model folder; these are the weights that training goes on from */
  model: Model;
  /** running means of the optimiser, of the weights, and the weights of the best evaluation: of what is trained; adapters, if these are */
  weights: { m: Weights; v: Weights; average?: Weights | undefined; best?: Weights | undefined; adapters?: Weights | undefined };
}

/** The file whose presence says that a checkpoint is whole. */
const lastWritten = 'progress.json';

/** Folders of checkpoints in `out`, newest first; `writing`: not in its place yet. */
async function foldersOf(out: string): Promise<{ folder: string; step: number; writing: boolean }[]> {
  const names = await readdir(out).catch(() => []);
  return names
    .map((name) => ({ name, match: /^checkpoint-(\d+)(\.writing)?$/.exec(name) }))
    .flatMap(({ name, match }) => (match ? [{ folder: join(out, name), step: Number(match[1]), writing: match[2] !== undefined }] : []))
    .sort((a, b) => b.step - a.step || Number(b.writing) - Number(a.writing));
}

/** The folder of the newest whole checkpoint in `out`. */
export async function findCheckpoint(out: string): Promise<string | undefined> {
  for (const { folder, writing } of await foldersOf(out)) {
    if (!existsSync(join(folder, lastWritten))) continue;
    return writing ? putInPlace(folder) : folder;
  }
  return undefined;
}

/** Writes `out`/checkpoint-STEP beside the one before and takes that one away afterwards: at any moment one of them is whole. */
export async function writeCheckpoint(out: string, { progress, model, weights }: Checkpoint): Promise<void> {
  const older = await foldersOf(out);
  await removeAll(older.filter(({ writing }) => writing));
  const beside = join(out, `checkpoint-${progress.step}.writing`);
  await saveModel(beside, model);
  const tensors = Object.entries(weights).flatMap(([group, tensors]) =>
    [...(tensors ?? [])].map(([name, tensor]) => ({
      name: `${group}/${name}`,
      dtype: 'F32' as const,
      shape: tensor.shape,
      data: () => tensor.read(),
    })),
  );
  await writeSafetensors(join(beside, 'training.safetensors'), tensors);
  await writeFileAtomic(join(beside, lastWritten), `${JSON.stringify(progress, null, 2)}\n`);
  await putInPlace(beside);
  await removeAll(older.filter(({ step }) => step !== progress.step));
}

/** Gives a whole checkpoint its name; one of the same step makes room. */
async function putInPlace(beside: string): Promise<string> {
  const folder = beside.replace(/\.writing$/, '');
  await rm(folder, { recursive: true, force: true });
  await rename(beside, folder);
  return folder;
}

/**
 * Reads a checkpoint.
 * @throws TrainError when it was made with another recipe or other data, naming what differs
 */
export async function readCheckpoint(
  folder: string,
  { config, files, device }: { config: TrainConfig; files: readonly DataFile[]; device: Device },
): Promise<Checkpoint> {
  const progress = await readProgress(join(folder, lastWritten));
  refuseOther(folder, progress, { config, files });
  const { model } = await loadModel(folder, { device });
  const file = await readSafetensors(join(folder, 'training.safetensors'));
  try {
    const weights: Record<string, Weights> = {};
    for (const entry of file.tensors.values()) {
      const [group, name] = entry.name.split('/') as [string, string];
      (weights[group] ??= new Map()).set(name, Tensor.from((await entry.read()) as Float32Array, entry.shape, device));
    }
    return { progress, model, weights: weights as Checkpoint['weights'] };
  } finally {
    await file.close();
  }
}

async function readProgress(path: string): Promise<Progress> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Progress;
  } catch (error) {
    throw new TrainError(`${path}: ${(error as Error).message}; take its folder away to begin again`);
  }
}

/** @throws TrainError naming the fields of the recipe and the files that are not those of `before` */
export function refuseOther(where: string, before: Pick<Progress, 'config' | 'files'>, now: Pick<Progress, 'config' | 'files'>): void {
  const recipe = configDifferences(before.config, now.config);
  if (recipe.length > 0)
    throw new TrainError(`${where} was begun with another recipe: ${recipe.join('; ')}. Use that recipe, or another output folder`);
  const describe = (files: readonly DataFile[]): string =>
    files.map(({ name, bytes, sha256 }) => `${name} (${bytes} bytes, sha256 ${sha256.slice(0, 12)}…)`).join(', ');
  if (describe(before.files) !== describe(now.files)) {
    throw new TrainError(
      `${where} was begun with other data: ${describe(before.files)}; now ${describe(now.files)}. Use those files, or another output folder`,
    );
  }
}

/** Takes all checkpoints in `out` away. */
export async function removeCheckpoints(out: string): Promise<void> {
  await removeAll(await foldersOf(out));
}

async function removeAll(folders: readonly { folder: string }[]): Promise<void> {
  for (const { folder } of folders) await rm(folder, { recursive: true, force: true });
}
