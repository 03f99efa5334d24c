import type { TrainConfig } from '../config.js';

/** Rows of ids, or images, and what they should lead to. */
export interface Sample {
  rows?: readonly ArrayLike<number>[];
  /** lengths of the texts that each row holds, where rows are packed */
  texts?: readonly (readonly number[])[];
  /** (b c h w), normalised */
  images?: { pixels: Float32Array; shape: readonly [number, number, number, number] };
  /** language modelling: the next id at every position, row after row of equal length, −1 where none is to be learnt; classification: the class of each row */
  labels: Int32Array;
}

/** What is learnt from. Any step's batch can be drawn without those before it, so a resumed training goes on where it stopped. */
export interface TrainingData {
  /** steps that one pass over the data takes */
  stepsPerEpoch: number;
  /** pass `part` (from 0, below the recipe's accumulation) of step `step` (from 0) */
  batch(step: number, part: number): Sample;
}

/** What is evaluated on. */
export interface HeldOutData {
  /** all of it in batches, or `limit` batches spread over it; the same each time */
  batches(limit?: number): Iterable<Sample>;
  /** bytes of text a token stands for, on average */
  bytesPerToken: number;
}

/** The data of one training. */
export interface Data {
  training: TrainingData;
  heldOut: HeldOutData | undefined;
  files: readonly DataFile[];
}

/** A data file as it is recorded, and known again on resume. */
export interface DataFile {
  name: string;
  bytes: number;
  sha256: string;
}

/** The part of a recipe that the data depend on. */
export type DataSettings = Pick<TrainConfig, 'seed' | 'batchSize' | 'accumulation' | 'length' | 'validation' | 'cropStart'> &
  Partial<Pick<TrainConfig, 'packed'>>;

/** `count` of the whole numbers 0 … total − 1, evenly spread; all of them where there are not more. */
export function spread(total: number, count: number): number[] {
  const taken = Math.min(total, count);
  return Array.from({ length: taken }, (_, i) => Math.floor((i * total) / taken));
}

/** A list in pieces of `size`, the last one shorter. */
export function inPieces<T>(list: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(list.length / size) }, (_, i) => list.slice(i * size, (i + 1) * size));
}
