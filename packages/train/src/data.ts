import { readFile } from 'node:fs/promises';
import type { Tokenizer } from '@hidden-attention/checkpoint';
import { TrainError } from './errors.js';
import { randomFor, shuffled } from './random.js';

/** Rows to train on or to evaluate on, with what they should lead to. */
export interface Examples {
  rows: Int32Array[];
  /** language modelling: the next id at every position of every row; classification: the class of each row */
  labels: Int32Array;
  /** tokens that count in the loss */
  tokens: number;
}

/** A data set: any step's batch can be drawn without those before it, so a resumed training goes on where it stopped. */
export interface Dataset {
  /** steps that one pass over the data takes */
  stepsPerEpoch: number;
  /** the examples of pass `part` of step `step` */
  batch(step: number, part: number): Examples;
  /** everything once, in order, for evaluation */
  all(): Iterable<Examples>;
}

export interface DatasetOptions {
  batchSize: number;
  accumulation: number;
  length: number;
  seed: number;
  /** share of tokens replaced by random ones when training (classification) */
  inputDropout?: number;
  vocabSize: number;
}

/** The ids of texts, one after the other. */
export async function readTexts(paths: readonly string[], tokenizer: Tokenizer): Promise<Int32Array> {
  const parts: number[][] = [];
  for (const path of paths) {
    const text = await readText(path);
    if (text === '') throw new TrainError(`${path} is empty; text is needed`);
    parts.push(tokenizer.encode(text).ids);
  }
  const ids = new Int32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    ids.set(part, at);
    at += part.length;
  }
  return ids;
}

/** Windows of a text: in training at random places, in evaluation one after the other; each predicts the id after every position. */
export function textDataset(ids: Int32Array, options: DatasetOptions): Dataset {
  const { batchSize, accumulation, length, seed } = options;
  if (ids.length < length + 1) throw new TrainError(`the text has ${ids.length} tokens; a window needs ${length + 1}: give more text or a smaller length`);
  const windows = (starts: readonly number[]): Examples => {
    const labels = new Int32Array(starts.length * length);
    const rows = starts.map((start, r) => {
      const own = Math.min(length, ids.length - 1 - start);
      labels.fill(-100, r * length, (r + 1) * length);
      labels.set(ids.subarray(start + 1, start + 1 + own), r * length);
      return ids.subarray(start, start + own);
    });
    return { rows, labels, tokens: rows.reduce((sum, row) => sum + row.length, 0) };
  };
  return {
    stepsPerEpoch: Math.max(1, Math.floor(ids.length / (length * batchSize * accumulation))),
    batch(step, part) {
      const random = randomFor(seed, step, part);
      return windows(Array.from({ length: batchSize }, () => Math.floor(random() * (ids.length - length))));
    },
    *all() {
      const starts = Array.from({ length: Math.ceil((ids.length - 1) / length) }, (_, i) => i * length);
      // the last window may be shorter, and a batch's rows are as long as its longest: it goes alone
      const full = starts.filter((start) => start + length < ids.length);
      for (let i = 0; i < full.length; i += batchSize) yield windows(full.slice(i, i + batchSize));
      if (full.length < starts.length) {
        const rest = windows(starts.slice(-1));
        yield { ...rest, labels: rest.labels.subarray(0, rest.rows[0]!.length) };
      }
    },
  };
}

/** Labelled texts, cut to `length` tokens: JSON lines {"text", "label"}. */
export async function readLabelled(
  paths: readonly string[],
  tokenizer: Tokenizer,
  labels: readonly string[],
  length: number,
): Promise<{ rows: Int32Array[]; classes: number[] }> {
  const rows: Int32Array[] = [];
  const classes: number[] = [];
  for (const path of paths) {
    const lines = (await readText(path)).split('\n');
    lines.forEach((line, i) => {
      if (line.trim() === '') return;
      const where = `${path}:${i + 1}`;
      let example: { text?: unknown; label?: unknown };
      try {
        example = JSON.parse(line) as typeof example;
      } catch (error) {
        throw new TrainError(`${where} is not JSON: ${(error as Error).message}`);
      }
      const known = labels.indexOf(String(example.label));
      if (known < 0) throw new TrainError(`${where}: the label is ${JSON.stringify(example.label)}; id2label of the model has: ${labels.join(', ')}`);
      if (typeof example.text !== 'string' || example.text === '') throw new TrainError(`${where}: "text" must be a text of at least one character`);
      rows.push(Int32Array.from(tokenizer.encode(example.text).ids.slice(0, length)));
      classes.push(known);
    });
  }
  if (rows.length === 0) throw new TrainError(`${paths.join(', ')}: no examples; lines {"text": …, "label": …} are needed`);
  return { rows, classes };
}

/** Each pass over the data in a new order, rows of similar length together so that little of a batch is padding. */
export function labelledDataset({ rows, classes }: { rows: Int32Array[]; classes: number[] }, options: DatasetOptions): Dataset {
  const { batchSize, accumulation, seed, vocabSize, inputDropout = 0 } = options;
  const perStep = batchSize * accumulation;
  const stepsPerEpoch = Math.max(1, Math.floor(rows.length / perStep));
  const examples = (picked: readonly number[], random?: () => number): Examples => ({
    rows: picked.map((i) => (random && inputDropout > 0 ? rows[i]!.map((id) => (random() < inputDropout ? Math.floor(random() * vocabSize) : id)) : rows[i]!)),
    labels: Int32Array.from(picked, (i) => classes[i]!),
    tokens: picked.reduce((sum, i) => sum + rows[i]!.length, 0),
  });
  let cached: { epoch: number; batches: number[][] } | undefined;
  const batchesOf = (epoch: number): number[][] => {
    if (cached?.epoch === epoch) return cached.batches;
    const random = randomFor(seed, epoch, -1);
    const order = shuffled(rows.length, random);
    const neighbours = batchSize * 32;
    const batches: number[][] = [];
    for (let i = 0; i < order.length; i += neighbours) {
      const group = order.slice(i, i + neighbours).sort((a, b) => rows[a]!.length - rows[b]!.length);
      for (let j = 0; j < group.length; j += batchSize) batches.push(group.slice(j, j + batchSize));
    }
    cached = { epoch, batches: shuffled(batches.length, random).map((i) => batches[i]!) };
    return cached.batches;
  };
  return {
    stepsPerEpoch,
    batch(step, part) {
      const batches = batchesOf(Math.floor(step / stepsPerEpoch));
      const index = (step % stepsPerEpoch) * accumulation + part;
      return examples(batches[index % batches.length]!, randomFor(seed, step, part));
    },
    *all() {
      const order = shuffled(rows.length, () => 0).sort((a, b) => rows[a]!.length - rows[b]!.length || a - b);
      for (let i = 0; i < order.length; i += batchSize) yield examples(order.slice(i, i + batchSize));
    },
  };
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new TrainError(`${path}: ${(error as Error).message}`);
  }
}
