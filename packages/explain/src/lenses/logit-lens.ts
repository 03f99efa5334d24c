import { disposeBatch, type Model } from '@hidden-attention/model';
import { affine, embedding, exp, log, positive, scope, slice, subtract, sumLast, Tensor, topK, type Float } from '@hidden-attention/tensor';
import { probabilities } from '../answer.js';
import { ExplainError } from '../errors.js';
import { cleanRun, copiesOf, answersUnder, type Subject } from '../interventions/subject.js';
import { answersOf } from '../target.js';

export interface LensRequest extends Subject {
  /** answers to name at each place; default 5 */
  k?: number;
  /** of a language model: the positions to look at, negative from the end; default all */
  positions?: readonly number[];
}

/** What the model would answer from one place of the residual stream. */
export interface LensReading {
  /** of a language model; null where a classifier answers about the whole input */
  position: number | null;
  /** most probable first */
  top: { id: number; probability: number }[];
  /** the target's logit, probability, and place among all answers (1 the first) */
  target: { id: number; logit: number; probability: number; rank: number };
}

/** A lens over depth: entry n is what the stream says after n layers. */
export interface LogitLens {
  target: number;
  layers: LensReading[][];
}

/** Logits that are held at once. */
const numbersAtOnce = 2 ** 23;

/**
 * Logit lens: the last norm and the head are applied to the residual stream after each layer, as if the model ended there
 * (nostalgebraist 2020). Of a language model at each position; of a classifier to the pooled stream. One pass, and the head once a
 * layer (`fromLayer`).
 * @throws ExplainError for a position that does not exist
 */
export async function logitLens({ k = 5, positions, ...subject }: LensRequest): Promise<LogitLens> {
  const { model } = subject;
  if (!Number.isInteger(k) || k < 1) throw new ExplainError(`k is ${k}; a whole number of at least 1 is needed`);
  const { layers, head } = model.config;
  const names = ['embeddings', ...Array.from({ length: layers }, (_, layer) => `layers.${layer}.output`)];
  const run = await cleanRun(subject, names);
  const { target, captured, length } = run;
  const most = Math.min(k, answersOf(model));
  try {
    if (head.kind === 'classifier') {
      if (positions) throw new ExplainError('positions were given; a classifier answers about the whole input, so leave them out');
      const batch = copiesOf(model, subject.input);
      const readings: LensReading[][] = [];
      for (const name of names) {
        const [logits] = await answersUnder(model, batch, { embeddings: captured[name]!, fromLayer: layers });
        readings.push([readingOf(logits!, target, most)]);
      }
      disposeBatch(batch);
      return { target, layers: readings };
    }
    const places = resolve(positions, length);
    const readings: LensReading[][] = [];
    for (const name of names) readings.push(await readEverywhere(model, captured[name]!, places, target, most));
    return { target, layers: readings };
  } finally {
    run.dispose();
  }
}

function resolve(positions: readonly number[] | undefined, length: number): number[] {
  return (positions ?? Array.from({ length }, (_, at) => at)).map((asked) => {
    const found = asked < 0 ? length + asked : asked;
    if (!Number.isInteger(found) || found < 0 || found >= length)
      throw new ExplainError(`position ${asked} does not exist; the input has positions 0 to ${length - 1}`);
    return found;
  });
}

function readingOf(logits: Float32Array, target: number, k: number): LensReading {
  const shares = probabilities(logits);
  const order = [...shares.keys()].toSorted((a, b) => logits[b]! - logits[a]! || a - b);
  return {
    position: null,
    top: order.slice(0, k).map((id) => ({ id, probability: shares[id]! })),
    target: { id: target, logit: logits[target]!, probability: shares[target]!, rank: order.indexOf(target) + 1 },
  };
}

/** A language model's answers at some positions of a stream (1 l m). */
async function readEverywhere(
  model: Model,
  stream: Tensor,
  positions: readonly number[],
  target: number,
  k: number,
): Promise<LensReading[]> {
  const [, length, width] = stream.shape as [number, number, number];
  const some = Math.max(1, Math.floor(numbersAtOnce / model.config.vocabSize));
  const readings: LensReading[] = [];
  for (let start = 0; start < positions.length; start += some) {
    const own = positions.slice(start, start + some);
    const found = scope(() => {
      const numbers = Tensor.from(Int32Array.from(own), [own.length], model.device);
      const embeddings = embedding(numbers, stream.view([length, width])).view([1, own.length, width]);
      const batch = model.batch([own.map(() => 0)]); // any ids: the head reads the stream
      const { logits } = model.forward(batch, { embeddings, fromLayer: model.config.layers, logits: 'all' });
      const rows = logits!.view([own.length, model.config.vocabSize]);
      const top = topK(rows, { k, by: 'value' });
      const ofTarget = slice(rows, 1, target, target + 1);
      return { ...top, logSumExp: logSumExp(rows), ofTarget, rank: ahead(rows, ofTarget) };
    });
    const [values, indices, sums, targets, ranks] = await Promise.all([
      found.values.read(),
      found.indices.read(),
      found.logSumExp.read(),
      found.ofTarget.read(),
      found.rank.read(),
    ]);
    for (const tensor of Object.values(found)) tensor.dispose();
    own.forEach((position, row) => {
      const share = (logit: number): number => Math.exp(logit - sums[row]!);
      readings.push({
        position,
        top: Array.from({ length: k }, (_, i) => ({ id: indices[row * k + i]!, probability: share(values[row * k + i]!) })),
        target: { id: target, logit: targets[row]!, probability: share(targets[row]!), rank: 1 + Math.round(ranks[row]!) },
      });
    });
  }
  return readings;
}

/** log Σ exp over the last axis: (r v) → (r 1). */
function logSumExp(rows: Tensor): Tensor<Float> {
  const largest = sumLast(rows, 'max').view([rows.shape[0]!, 1]);
  const sums = sumLast(exp(subtract(rows, largest))).view([rows.shape[0]!, 1]);
  return subtract(log(sums), affine(largest, -1));
}

/** How many numbers of each row are larger than one number: (r v), (r 1) → (r). */
function ahead(rows: Tensor, one: Tensor): Tensor<Float> {
  // e^(−10³⁰·(x − one)⁺) is 0 for larger numbers and 1 for all others
  return sumLast(affine(exp(affine(positive(subtract(rows, one)), -1e30)), -1, 1));
}
