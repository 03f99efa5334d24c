import type { Tokenizer } from '@hidden-attention/checkpoint';
import { TrainError } from '../errors.js';
import { randomFor } from '../random.js';
import { inPieces, spread, type Data, type DataFile, type DataSettings, type HeldOutData, type Sample, type TrainingData } from './data.js';
import { idsOf, readDataFile, type Ids } from './files.js';

/** Texts, one after the other. */
interface Text {
  ids: Ids;
  bytesPerToken: number;
  files: DataFile[];
}

/**
 * Text files of a language model. Held out is a file of its own, or the end of the text.
 * @throws TrainError for a missing or empty file, or a text that is shorter than a window
 */
export async function textData(paths: readonly string[], tokenizer: Tokenizer, settings: DataSettings): Promise<Data> {
  const { validation } = settings;
  const text = await readTexts(paths, tokenizer);
  if (!validation) return { training: textTraining(text.ids, settings), heldOut: undefined, files: text.files };
  if ('file' in validation) {
    const held = await readTexts([validation.file], tokenizer);
    return { training: textTraining(text.ids, settings), heldOut: textHeldOut(held, settings), files: [...text.files, ...held.files] };
  }
  const cut = Math.floor(text.ids.length * (1 - validation.fraction));
  return {
    training: textTraining(text.ids.subarray(0, cut), settings),
    heldOut: textHeldOut({ ids: text.ids.subarray(cut), bytesPerToken: text.bytesPerToken }, settings),
    files: text.files,
  };
}

/** Reads text files, in the order given. */
export async function readTexts(paths: readonly string[], tokenizer: Tokenizer): Promise<Text> {
  const read = [];
  for (const path of paths) read.push(await readDataFile(path));
  const bytes = Buffer.concat(read.map((one) => one.bytes));
  const ids = idsOf(bytes, tokenizer);
  return { ids, bytesPerToken: bytes.length / Math.max(1, ids.length), files: read.map(({ file }) => file) };
}

/** Windows at random places; each position predicts the id after it. */
function textTraining(ids: Ids, { batchSize, accumulation, length, seed }: Omit<DataSettings, 'validation' | 'cropStart'>): TrainingData {
  if (ids.length < length + 1) {
    throw new TrainError(
      `the text has ${ids.length} tokens to train on; a window of length ${length} needs ${length + 1}: give more text or a smaller length`,
    );
  }
  return {
    stepsPerEpoch: Math.max(1, Math.floor(ids.length / (length * batchSize * accumulation))),
    batch(step, part) {
      const random = randomFor(seed, step, 0);
      const starts = Array.from({ length: (part + 1) * batchSize }, () => Math.floor(random() * (ids.length - length)));
      return windows(ids, starts.slice(part * batchSize), length);
    },
  };
}

/** Windows one after the other without gaps: every id but the first is predicted once. */
export function textHeldOut(
  { ids, bytesPerToken }: Pick<Text, 'ids' | 'bytesPerToken'>,
  { batchSize, length }: Pick<DataSettings, 'batchSize' | 'length'>,
): HeldOutData {
  if (ids.length < 2) throw new TrainError(`the held-out text has ${ids.length} tokens; at least 2 are needed`);
  const full = Math.floor((ids.length - 1) / length);
  return {
    bytesPerToken,
    *batches(limit = Infinity) {
      const starts = spread(full, limit * batchSize).map((window) => window * length);
      for (const batch of inPieces(starts, batchSize)) yield windows(ids, batch, length);
      // the last window may be shorter; it goes alone, for then nothing is padded
      const rest = ids.length - 1 - full * length;
      if (rest > 0 && (full === 0 || limit === Infinity)) yield windows(ids, [full * length], rest);
    },
  };
}

function windows(ids: Ids, starts: readonly number[], length: number): Sample {
  const labels = new Int32Array(starts.length * length);
  starts.forEach((start, row) => labels.set(ids.subarray(start + 1, start + 1 + length), row * length));
  return { rows: starts.map((start) => ids.subarray(start, start + length)), labels };
}
