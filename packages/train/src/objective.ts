import type { Model } from '@hidden-attention/model';
import { affine, gradient, scope, type Tensor, type Float } from '@hidden-attention/tensor';
import { chunkedGradients, chunkedLoss, sumOf, type LossAndGradients } from './chunks.js';
import type { TrainConfig } from './config.js';
import type { HeldOutData, Sample } from './data/data.js';
import { batchOf, totalLoss, type LossOptions } from './loss.js';
import { Trained } from './trained.js';

/** What held-out data say of a model. */
export interface Evaluation {
  /** mean cross-entropy in nats: a token of a language model, a text of a classifier */
  loss: number;
  /** language modelling: loss / ln 2, over the bytes that a token stands for */
  bitsPerByte?: number;
  /** language modelling: exp(loss) */
  perplexity?: number;
  /** classification: share of the texts that are given their own label */
  accuracy?: number;
}

/** How many labels count: −1 is none. */
const predicted = (labels: Int32Array): number => labels.reduce((count, label) => count + (label >= 0 ? 1 : 0), 0);

/**
 * The mean loss of samples taken together (1), and its gradients by trained weight, all parameters where a model is given; queued, not waited for. Cutting a sample in
 * two gives the same, and takes less memory.
 */
export function lossAndGradients(
  trained: Trained | Model,
  samples: readonly Sample[],
  options: LossOptions = {},
): { loss: Tensor<Float>; gradients: Tensor<Float>[] } {
  const parameters = [...(trained instanceof Trained ? trained.weights : trained.parameters).values()];
  const model = (): Model => (trained instanceof Trained ? trained.with() : trained);
  const predictions = samples.reduce((count, { labels }) => count + predicted(labels), 0);
  return scope(() => {
    let total: LossAndGradients | undefined;
    for (const sample of samples) {
      const own = scope(() =>
        options.chunk
          ? chunkedGradients(model, sample, { ...options, chunk: options.chunk }, parameters, 1 / predictions)
          : gradient(() => affine(totalLoss(model(), sample, options), 1 / predictions), parameters),
      );
      total = total ? sumOf(total, own) : own;
    }
    return { loss: total!.value, gradients: total!.gradients };
  });
}

/**
 * Runs a model over held-out data; a function makes it anew for each batch, out of what is trained.
 * @param options.limit number of batches, spread over the data; default: all
 * @param options.chunk reads rows in chunks, as training does
 * @returns undefined when `options.signal` was aborted before the end
 */
export async function evaluate(
  model: Model | (() => Model),
  data: HeldOutData,
  options: { limit?: number | undefined; signal?: AbortSignal | undefined; chunk?: TrainConfig['chunk'] } = {},
): Promise<Evaluation | undefined> {
  const make = typeof model === 'function' ? model : (): Model => model;
  const classifier = scope(() => make().config.head.kind) === 'classifier';
  let [loss, right, predictions] = [0, 0, 0];
  for (const sample of data.batches(options.limit)) {
    if (options.signal?.aborted) return undefined;
    predictions += predicted(sample.labels);
    if (classifier) {
      using logits = scope(() => {
        const own = make();
        return own.forward(batchOf(own, sample)).logits!;
      });
      const scored = scoreRows(await logits.read(), sample.labels);
      loss += scored.loss;
      right += scored.right;
    } else {
      using total = scope(() => (options.chunk ? chunkedLoss(make, sample, options.chunk.positions) : totalLoss(make(), sample)));
      loss += await total.item();
    }
  }
  loss /= predictions;
  return classifier
    ? { loss, accuracy: right / predictions }
    : { loss, bitsPerByte: loss / Math.LN2 / data.bytesPerToken, perplexity: Math.exp(loss) };
}

/** Total cross-entropy, and how many rows have their largest logit at their label; logits (b classes). */
function scoreRows(logits: Float32Array, labels: Int32Array): { loss: number; right: number } {
  const classes = logits.length / labels.length;
  let [loss, right] = [0, 0];
  labels.forEach((label, row) => {
    const own = logits.subarray(row * classes, (row + 1) * classes);
    const largest = Math.max(...own);
    loss += largest + Math.log(own.reduce((total, logit) => total + Math.exp(logit - largest), 0)) - own[label]!;
    if (own.indexOf(largest) === label) right++;
  });
  return { loss, right };
}

/** Whether an evaluation is better than the best so far: by accuracy where there is one, then by loss. */
export function isBetter(evaluation: Evaluation, best: Evaluation | undefined): boolean {
  if (!best) return true;
  const gain = (evaluation.accuracy ?? 0) - (best.accuracy ?? 0);
  return gain > 0 || (gain === 0 && evaluation.loss < best.loss);
}
