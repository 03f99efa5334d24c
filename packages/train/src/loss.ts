import { inPrecision, type Batch, type Model, type ModelState } from '@hidden-attention/model';
import { add, affine, crossEntropy, reshape, sum, Tensor, type Float } from '@hidden-attention/tensor';
import type { TrainConfig } from './config.js';
import type { Sample } from './data/data.js';

/** How a loss is computed: fields of a recipe. */
export type LossOptions = Partial<Pick<TrainConfig, 'labelSmoothing' | 'precision' | 'recompute' | 'chunk'>>;

/** A sample as a batch for a model. */
export function batchOf(model: Model, { rows = [], texts, images }: Sample): Batch {
  return images ? model.images(images.pixels, images.shape) : model.batch(rows, { texts });
}

/**
 * Σ −log p(label) of a sample, in nats (1): over the next token at every position, or the class of every row. With
 * `labelSmoothing` ε the target is 1 − ε on the label and ε spread evenly over all classes.
 */
export function totalLoss(model: Model, sample: Sample, options: LossOptions = {}): Tensor<Float> {
  return lossFrom(model, sample, options, undefined).loss;
}

/** The same from a state on, as an earlier chunk left it; and the state that this one leaves. */
export function lossFrom(
  model: Model,
  sample: Sample,
  { labelSmoothing: smoothing = 0, precision = 'f32', recompute = false }: LossOptions,
  before: ModelState | undefined,
): { loss: Tensor<Float>; state: ModelState } {
  const { labels } = sample;
  const working = inPrecision(model, precision);
  const { logits, state } = working.forward(batchOf(working, sample), { recompute, ...(before ? { state: before } : {}) });
  const classes = logits!.shape.at(-1)!;
  const flat = reshape(logits!, [labels.length, classes]);
  const against = (target: Int32Array): Tensor<Float> => sum(crossEntropy(flat, Tensor.from(target, [target.length], model.device)));
  if (smoothing === 0) return { loss: against(labels), state };
  const each = Array.from({ length: classes }, (_, label) => against(new Int32Array(labels.length).fill(label)));
  const smoothed = affine(
    each.reduce((total, one) => add(total, one)),
    smoothing / classes,
  );
  return { loss: add(affine(against(labels), 1 - smoothing), smoothed), state };
}

/** The state that a sample leaves, without its loss. */
export function stateAfter(model: Model, sample: Sample, { precision = 'f32' }: LossOptions, before: ModelState | undefined): ModelState {
  const working = inPrecision(model, precision);
  return working.forward(batchOf(working, sample), { logits: 'none', ...(before ? { state: before } : {}) }).state;
}
