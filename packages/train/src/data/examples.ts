import { encodeChat, type ChatTemplate, type Tokenizer } from '@hidden-attention/checkpoint';
import * as z from '@hidden-attention/model/schema';
import { TrainError } from '../errors.js';
import { purposes, randomFor, shuffled } from '../random.js';
import { inPieces, spread, type Data, type DataFile, type DataSettings, type HeldOutData, type Sample, type TrainingData } from './data.js';
import { readJsonLines } from './lines.js';
import { stepsByLength } from './order.js';
import { packed } from './pack.js';

/** A text to learn, and which of its ids count: those that are to be predicted. */
interface Example {
  ids: readonly number[];
  learnt: readonly boolean[];
  bytes: number;
}

/** What a language model's lines may be read with. */
export interface ExampleReader {
  tokenizer: Tokenizer;
  chat: ChatTemplate | null;
  /** the id that ends a text, if the model has one */
  end: number | undefined;
}

const message = () => z.object({ role: z.string().min(1), content: z.string() });
const lineSchema = z.once(() =>
  z.union([
    z.object({ text: z.string().min(1) }),
    z.object({ prompt: z.string().min(1), completion: z.string().min(1) }),
    z.object({ messages: z.array(message()).min(1) }),
  ]),
);

/**
 * Texts of a language model as JSON lines, each a text of its own: {"text"}, all of it learnt; {"prompt", "completion"}, the completion
 * alone; {"messages"}, what the assistant says, by the model's chat template. Each ends with the model's end of sequence. Longer ones are
 * cut at `length`. Held out is a file of its own, or lines drawn at random.
 * @throws TrainError for a missing or empty file, or a line that is none of these (file and line named)
 */
export async function exampleData(paths: readonly string[], reader: ExampleReader, settings: DataSettings): Promise<Data> {
  const { validation, seed } = settings;
  const read = await readExamples(paths, reader, settings.length);
  if (!validation) return { training: training(read.examples, settings), heldOut: undefined, files: read.files };
  if ('file' in validation) {
    const held = await readExamples([validation.file], reader, settings.length);
    return {
      training: training(read.examples, settings),
      heldOut: heldOut(held.examples, settings),
      files: [...read.files, ...held.files],
    };
  }
  const count = Math.max(1, Math.round(read.examples.length * validation.fraction));
  const order = shuffled(read.examples.length, randomFor(seed, purposes.heldOut));
  const pick = (rows: readonly number[]): Example[] => rows.map((row) => read.examples[row]!);
  return {
    training: training(pick(order.slice(count)), settings),
    heldOut: heldOut(pick(order.slice(0, count)), settings),
    files: read.files,
  };
}

async function readExamples(
  paths: readonly string[],
  reader: ExampleReader,
  length: number,
): Promise<{ examples: Example[]; files: DataFile[] }> {
  const examples: Example[] = [];
  const files = await readJsonLines(paths, (json, where, line) => {
    const { ids, learnt, bytes } = exampleOf(json, where, line, reader);
    const cut = { ids: ids.slice(0, length + 1), learnt: learnt.slice(0, length + 1), bytes };
    if (cut.learnt.slice(1).includes(true)) examples.push(cut); // what is cut before anything is to be learnt teaches nothing
  });
  if (examples.length === 0)
    throw new TrainError(
      `${paths.join(', ')}: nothing to learn within ${length} tokens; lines {"text"}, {"prompt", "completion"} or {"messages"} are needed`,
    );
  return { examples, files };
}

function exampleOf(json: unknown, where: string, line: string, { tokenizer, chat, end }: ExampleReader): Example {
  const parsed = lineSchema().safeParse(json);
  if (!parsed.success)
    throw new TrainError(
      `${where}: a line is {"text": "…"}, {"prompt": "…", "completion": "…"} or {"messages": [{"role", "content"}, …]}, no text empty; it is ${line.slice(0, 80)}`,
    );
  const { data } = parsed;
  const ended = (ids: readonly number[], learnt: readonly boolean[], text: string): Example => ({
    ids: end === undefined ? ids : [...ids, end],
    learnt: end === undefined ? learnt : [...learnt, true],
    bytes: Buffer.byteLength(text),
  });
  if ('text' in data) {
    const { ids } = tokenizer.encode(data.text);
    return ended(
      ids,
      ids.map(() => true),
      data.text,
    );
  }
  if ('prompt' in data) {
    const [before, after] = [tokenizer.encode(data.prompt).ids, tokenizer.encode(data.completion, { around: false }).ids];
    return ended([...before, ...after], [...before.map(() => false), ...after.map(() => true)], data.completion);
  }
  if (!chat) throw new TrainError(`${where} has messages, and the model has no chat template; give {"prompt", "completion"}`);
  return conversation(where, data.messages, tokenizer, chat);
}

/** What the assistant says is learnt: from where a turn of its begins to where the template ends it. */
function conversation(where: string, messages: z.infer<ReturnType<typeof message>>[], tokenizer: Tokenizer, chat: ChatTemplate): Example {
  const { text, ids, offsets } = encodeChat(tokenizer, chat, messages, { addGenerationPrompt: false });
  const spans = messages.flatMap(({ role }, at) => {
    if (role !== 'assistant' || at === 0) return [];
    const before = chat.render(messages.slice(0, at), { addGenerationPrompt: true });
    const after = chat.render(messages.slice(0, at + 1), { addGenerationPrompt: false });
    if (!after.startsWith(before) || !text.startsWith(after))
      throw new TrainError(
        `${where}: the chat template of ${chat.from} does not write turns one after another, so that what is to be learnt cannot be told`,
      );
    return [[before.length, after.length] as const];
  });
  if (spans.length === 0) throw new TrainError(`${where}: no message is the assistant's, so there is nothing to learn`);
  const learnt = offsets.map(([start, stop]) => spans.some(([from, to]) => start >= from && stop <= to && stop > start));
  return { ids, learnt, bytes: Buffer.byteLength(text) };
}

function training(examples: readonly Example[], settings: DataSettings): TrainingData {
  const { batchSize, accumulation, seed, length } = settings;
  if (examples.length < 2) throw new TrainError(`${examples.length} examples are left to train on; at least 2 are needed`);
  // what a row of a batch holds: one example, or as many as fit
  const rows = settings.packed
    ? packed(
        examples.map(({ ids }) => ids.length - 1),
        length,
        seed,
      )
    : examples.map((_, at) => [at]);
  const rowsPerStep = Math.min(batchSize * accumulation, rows.length);
  const cost = (row: number): number => rows[row]!.reduce((sum, at) => sum + examples[at]!.ids.length, 0);
  const { stepsPerEpoch, rowsOf } = stepsByLength(rows.length, cost, { rowsPerStep, seed });
  const inRow = (row: number): Example[] => rows[row]!.map((at) => examples[at]!);
  return {
    stepsPerEpoch,
    batch: (step, part) => sampleOf((inPieces(rowsOf(step), Math.ceil(rowsPerStep / accumulation))[part] ?? []).map(inRow)),
  };
}

function heldOut(examples: readonly Example[], { batchSize }: DataSettings): HeldOutData {
  const predicted = examples.reduce((sum, { learnt }) => sum + learnt.slice(1).filter(Boolean).length, 0);
  return {
    bytesPerToken: examples.reduce((sum, { bytes }) => sum + bytes, 0) / Math.max(1, predicted),
    *batches(limit = Infinity) {
      const some = spread(examples.length, limit * batchSize).map((i) => examples[i]!);
      const sorted = some.sort((a, b) => a.ids.length - b.ids.length);
      for (const batch of inPieces(sorted, batchSize)) yield sampleOf(batch.map((example) => [example]));
    },
  };
}

/** Every id of a text but the last is read, and the next one predicted where it is to be learnt; −1 elsewhere and past a row's end. */
function sampleOf(rowsOfTexts: readonly (readonly Example[])[]): Sample {
  const rows = rowsOfTexts.map((texts) => Int32Array.from(texts.flatMap(({ ids }) => ids.slice(0, -1))));
  const length = Math.max(0, ...rows.map((row) => row.length));
  const labels = new Int32Array(rows.length * length).fill(-1);
  rowsOfTexts.forEach((texts, row) => {
    let start = row * length;
    for (const { ids, learnt } of texts) {
      ids.slice(1).forEach((id, at) => {
        if (learnt[at + 1]) labels[start + at] = id;
      });
      start += ids.length - 1;
    }
  });
  if (rowsOfTexts.every((texts) => texts.length === 1)) return { rows, labels };
  return { rows, labels, texts: rowsOfTexts.map((texts) => texts.map(({ ids }) => ids.length - 1)) };
}
