import { disposeBatch, disposeState, type Batch, type ForwardOptions, type Model } from '@hidden-attention/model';
import { concat, scope, type Tensor } from '@hidden-attention/tensor';
import { probabilities } from '../answer.js';
import { batchOfImages, type ImageInput } from '../image.js';
import { checkTarget } from '../target.js';

/** One text, as ids (a language model answers after the last one), or one image. */
export type Input = ArrayLike<number> | ImageInput;

/** The model and the answer that an intervention is judged by. */
export interface Subject {
  model: Model;
  input: Input;
  /** class or token; default the most probable answer */
  target?: number | undefined;
}

/** A figure without and with an intervention. */
export interface Change {
  before: number;
  after: number;
}

/** What an intervention did to the answer. */
export interface Effect {
  logit: Change;
  probability: Change;
  /** (after − before) / before of the probability */
  relative: number;
}

/** The input `copies` times, as the rows of a batch. */
export function copiesOf(model: Model, input: Input, copies = 1): Batch {
  const rows = <T>(one: T): T[] => new Array<T>(copies).fill(one);
  return 'pixels' in input ? batchOfImages(model, rows(input)) : model.batch(rows(Int32Array.from(input)));
}

/** A tensor with one row, `copies` times: (1 …) → (copies …). */
export function repeatRow(x: Tensor, copies: number): Tensor {
  return copies === 1 ? x.view() : concat(new Array<Tensor>(copies).fill(x), 0);
}

/** The logits of each row's answer: a classifier's, or a language model's after the last position. */
export async function answersUnder(model: Model, batch: Batch, options: ForwardOptions = {}): Promise<Float32Array[]> {
  const logits = scope(() => model.forward(batch, { ...options, logits: 'last' }).logits!);
  const all = await logits.read();
  logits.dispose();
  const each = all.length / batch.lengths.length;
  return batch.lengths.map((_, row) => all.slice(row * each, (row + 1) * each));
}

/** A clean run: its answer, the values at some sites, and what is explained. Free it with `dispose`. */
export interface CleanRun {
  logits: Float32Array;
  target: number;
  captured: Record<string, Tensor>;
  length: number;
  dispose(): void;
}

/** Runs the input once, with sites captured. */
export async function cleanRun(
  { model, input, target }: Subject,
  capture: readonly string[],
  options: ForwardOptions = {},
): Promise<CleanRun> {
  if (target !== undefined) checkTarget(target, model);
  const batch = copiesOf(model, input);
  const { logits, captured, state } = model.forward(batch, { ...options, capture, logits: 'last' });
  disposeState(state);
  const values = await logits!.read();
  logits!.dispose();
  const largest = values.reduce((best, value, id) => (value > values[best]! ? id : best), 0);
  const [length] = batch.lengths;
  disposeBatch(batch);
  return {
    logits: values,
    target: target ?? largest,
    captured,
    length: length!,
    dispose: () => {
      for (const tensor of Object.values(captured)) tensor.dispose();
    },
  };
}

/** What became of an answer. */
export function effectOn(target: number, before: Float32Array, after: Float32Array): Effect {
  const [was, is] = [probabilities(before)[target]!, probabilities(after)[target]!];
  return {
    logit: { before: before[target]!, after: after[target]! },
    probability: { before: was, after: is },
    relative: (is - was) / was,
  };
}
