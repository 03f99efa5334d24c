import { affine, crossEntropy, reshape, scope, sum, sumLast, Tensor } from '@hidden-attention/tensor';
import type { Model } from '@hidden-attention/model';
import type { Dataset, Examples } from './data.js';

/** What an evaluation says. */
export interface Evaluation {
  /** mean cross-entropy in nats: a token of a language model, a text of a classifier */
  loss: number;
  /** language modelling: loss / ln 2, bits a token (a byte with the byte tokenizer) */
  bitsPerToken?: number;
  /** classification */
  accuracy?: number;
}

function logitsAndLabels(model: Model, examples: Examples): { logits: Tensor; labels: Tensor; batch: ReturnType<Model['batch']> } {
  return scope(() => {
    const batch = model.batch(examples.rows);
    const { logits } = model.forward(batch);
    const flat = reshape(logits!, [examples.labels.length, logits!.shape.at(-1)!]);
    return { logits: flat, labels: Tensor.from(examples.labels, [examples.labels.length], model.device), batch };
  });
}

/** The mean loss of some examples (1), divided by `share`: differentiable. */
export function meanLoss(model: Model, examples: Examples, share: number): Tensor<'f32'> {
  const { logits, labels } = logitsAndLabels(model, examples);
  const counted = examples.labels.reduce((count, label) => count + (label >= 0 ? 1 : 0), 0);
  return affine(sum(crossEntropy(logits, labels)), 1 / (counted * share));
}

/** Evaluates a model on (the first `limit` batches of) a data set; `between` is called between batches and may throw to stop. */
export async function evaluate(model: Model, data: Dataset, limit: number = Infinity, between?: () => void): Promise<Evaluation> {
  const classifier = model.config.head.kind === 'classifier';
  let loss = 0;
  let right = 0;
  let count = 0;
  let batches = 0;
  for (const examples of data.all()) {
    if (batches++ >= limit) break;
    between?.();
    const { logits, labels, batch } = logitsAndLabels(model, examples);
    const each = crossEntropy(logits, labels);
    const total = sumLast(each.view([1, each.size]));
    loss += await total.item();
    count += examples.labels.reduce((sofar, label) => sofar + (label >= 0 ? 1 : 0), 0);
    if (classifier) right += countRight(await logits.read() as Float32Array, examples.labels);
    for (const tensor of [logits, labels, each, total, batch.ids, batch.lengthsTensor]) tensor?.dispose();
  }
  const mean = loss / count;
  return classifier ? { loss: mean, accuracy: right / count } : { loss: mean, bitsPerToken: mean / Math.LN2 };
}

function countRight(logits: Float32Array, labels: Int32Array): number {
  const classes = logits.length / labels.length;
  return labels.reduce((right, label, r) => {
    const own = logits.subarray(r * classes, (r + 1) * classes);
    return right + (own.indexOf(Math.max(...own)) === label ? 1 : 0);
  }, 0);
}
