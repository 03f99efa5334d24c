import type { Tokenizer } from '@hidden-attention/checkpoint';
import * as z from '@hidden-attention/model/schema';
import { TrainError } from '../errors.js';
import { purposes, randomFor, shuffled } from '../random.js';
import { inPieces, spread, type Data, type DataFile, type DataSettings, type HeldOutData, type Sample, type TrainingData } from './data.js';
import { idsOf, type Ids } from './files.js';
import { readJsonLines } from './lines.js';
import { stepsByLength } from './order.js';

/** A text and its class. */
export interface Example {
  ids: Ids;
  label: number;
}

/** Labelled texts as they were read. */
interface Examples {
  examples: Example[];
  bytesPerToken: number;
  files: DataFile[];
}

const lineSchema = z.once(() => z.object({ text: z.string().min(1), label: z.string() }));

/**
 * Labelled texts of a classifier, as JSON lines {"text", "label"}. Held out is a file of its own, or a random share, since
 * files are often sorted by label; the seed alone decides which lines.
 * @param labels names of the classes, by number
 * @throws TrainError for a missing or empty file, or a line that is no such object or has a label that is not among them (file and line named)
 */
export async function labelledData(
  paths: readonly string[],
  labels: readonly string[],
  tokenizer: Tokenizer,
  settings: DataSettings,
): Promise<Data> {
  const { validation, seed } = settings;
  const read = await readLabelled(paths, labels, tokenizer);
  if (!validation) return { training: labelledTraining(read.examples, settings), heldOut: undefined, files: read.files };
  if ('file' in validation) {
    const held = await readLabelled([validation.file], labels, tokenizer);
    return {
      training: labelledTraining(read.examples, settings),
      heldOut: labelledHeldOut(held, settings),
      files: [...read.files, ...held.files],
    };
  }
  const count = Math.max(1, Math.round(read.examples.length * validation.fraction));
  const drawn = new Set(shuffled(read.examples.length, randomFor(seed, purposes.heldOut)).slice(0, count));
  const held = read.examples.filter((_, i) => drawn.has(i));
  return {
    training: labelledTraining(
      read.examples.filter((_, i) => !drawn.has(i)),
      settings,
    ),
    heldOut: labelledHeldOut({ examples: held, bytesPerToken: read.bytesPerToken }, settings),
    files: read.files,
  };
}

/** Reads JSON lines {"text", "label"}; other keys are ignored. */
export async function readLabelled(paths: readonly string[], labels: readonly string[], tokenizer: Tokenizer): Promise<Examples> {
  const examples: Example[] = [];
  let [bytes, tokens] = [0, 0];
  const files = await readJsonLines(paths, (json, where) => {
    const { text, label } = parseLine(json, where);
    if (!labels.includes(label))
      throw new TrainError(`${where}: the label is ${JSON.stringify(label)}; id2label of the model has: ${labels.join(', ')}`);
    const utf8 = new TextEncoder().encode(text);
    const ids = idsOf(utf8, tokenizer);
    bytes += utf8.length;
    tokens += ids.length;
    examples.push({ ids, label: labels.indexOf(label) });
  });
  if (examples.length === 0) throw new TrainError(`${paths.join(', ')}: no examples; lines {"text": …, "label": …} are needed`);
  return { examples, bytesPerToken: bytes / Math.max(1, tokens), files };
}

function parseLine(json: unknown, where: string): z.infer<ReturnType<typeof lineSchema>> {
  const parsed = lineSchema().safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new TrainError(
    `${where}: ${issue!.path.join('.') || 'the line'}: ${issue!.message}; a line is {"text": "…", "label": "…"}, the text not empty`,
  );
}

/**
 * Each pass over the examples in a new order, rows of similar length in one step, so that little of a batch is padding. What
 * does not fill a step waits for another pass. Texts are cut to `length`, after a random part of up to `cropStart` of them
 * was left out at their start.
 */
function labelledTraining(
  examples: readonly Example[],
  { batchSize, accumulation, length, seed, cropStart }: Omit<DataSettings, 'validation'>,
): TrainingData {
  const rowsPerStep = Math.min(batchSize * accumulation, examples.length);
  if (examples.length < 2) throw new TrainError(`${examples.length} examples are left to train on; at least 2 are needed`);
  const cost = (row: number): number => Math.min(length, examples[row]!.ids.length);
  const { stepsPerEpoch, epochOf, rowsOf } = stepsByLength(examples.length, cost, { rowsPerStep, seed });
  return {
    stepsPerEpoch,
    batch(step, part) {
      const rows = inPieces(rowsOf(step), Math.ceil(rowsPerStep / accumulation))[part] ?? [];
      return sampleOf(
        rows.map((row) => withoutStart(examples[row]!, cropStart, () => randomFor(seed, purposes.cropStart, epochOf(step), row)())),
        length,
      );
    },
  };
}

function withoutStart({ ids, label }: Example, share: number, random: () => number): Example {
  return share === 0 ? { ids, label } : { ids: ids.subarray(Math.floor(random() * share * ids.length)), label };
}

/** Batches of similar length. */
export function labelledHeldOut(
  { examples, bytesPerToken }: Omit<Examples, 'files'>,
  { batchSize, length }: Pick<DataSettings, 'batchSize' | 'length'>,
): HeldOutData {
  return {
    bytesPerToken,
    *batches(limit = Infinity) {
      const chosen = spread(examples.length, limit * batchSize).map((i) => examples[i]!);
      const sorted = chosen.sort((a, b) => a.ids.length - b.ids.length);
      for (const batch of inPieces(sorted, batchSize)) yield sampleOf(batch, length);
    },
  };
}

function sampleOf(examples: readonly Example[], length: number): Sample {
  return { rows: examples.map(({ ids }) => ids.subarray(0, length)), labels: Int32Array.from(examples, ({ label }) => label) };
}
