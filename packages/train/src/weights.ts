import { Model } from '@hidden-attention/model';
import { add, affine, scope, Tensor, type Float } from '@hidden-attention/tensor';

/** Numbers on the device under their parameters' names. */
export type Weights = Map<string, Tensor<Float>>;
/** The same, not to be changed. */
export type ReadonlyWeights = ReadonlyMap<string, Tensor<Float>>;

/** Copies with memory of their own. */
export function copyWeights(weights: ReadonlyWeights): Weights {
  return new Map([...weights].map(([name, tensor]) => [name, affine(tensor, 1)]));
}

/** Zeros of the same shapes. */
export function zeroWeights(weights: ReadonlyWeights): Weights {
  return new Map([...weights].map(([name, { shape, device }]) => [name, Tensor.full(shape, 0, device)]));
}

/**
 * average ← d·average + (1 − d)·weights with d = decay, in the first steps (1 + step)/(10 + step) where that is less, so that
 * the fresh weights soon leave no trace. `step` counts from 1.
 */
export function updateAverage(average: Weights, weights: ReadonlyWeights, decay: number, step: number): void {
  const kept = Math.min(decay, (1 + step) / (10 + step));
  for (const [name, before] of average) {
    average.set(
      name,
      scope(() => add(affine(before, kept), affine(weights.get(name)!, 1 - kept))),
    );
    before.dispose();
  }
}

/** The same model with other weights, which it takes over. */
export function withWeights(model: Model, weights: ReadonlyWeights): Model {
  return new Model(model.family, model.config, model.json, weights, model.device);
}

/** Frees them. */
export function disposeWeights(weights: ReadonlyWeights | undefined): void {
  for (const tensor of weights?.values() ?? []) tensor.dispose();
}
