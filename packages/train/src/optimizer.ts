import { adamw, concat, scope, sumLast, type Tensor, type Float } from '@hidden-attention/tensor';
import type { TrainConfig } from './config.js';
import type { Trained } from './trained.js';
import type { Weights } from './weights.js';

/** The loss (1) and Σ g² of every gradient in one tensor (1 + parameters): all that a step waits for. */
export function lossAndSquares(loss: Tensor<Float>, gradients: readonly Tensor<Float>[]): Tensor<Float> {
  return scope(() => concat([loss, ...gradients.map((gradient) => sumLast(gradient.view([1, gradient.size]), 'squares'))], 0));
}

/** Factor that brings gradients of norm `norm` down to `limit` (Pascanu, Mikolov and Bengio 2013). */
export function clipFactor(norm: number, limit: number): number {
  return Math.min(1, limit / (norm + 1e-6));
}

/** AdamW over all that is trained of a model; weight decay where the family's ParameterSpec says so (not on A_log, D, biases, norms). */
export class Optimizer {
  readonly #trained: Trained;
  readonly #moments: { m: Weights; v: Weights };

  /** @param moments running means of the gradients and of their squares, which it changes; zeros at first */
  constructor(trained: Trained, moments: { m: Weights; v: Weights }) {
    this.#trained = trained;
    this.#moments = moments;
  }

  /**
   * One update of all parameters in place.
   * @param gradients in the order of the trained weights
   * @param at `step` counts from 1; the gradients are multiplied by `gradientScale`
   */
  update(
    gradients: readonly Tensor[],
    at: { step: number; learningRate: number; gradientScale: number },
    { beta1, beta2, epsilon, weightDecay }: Pick<TrainConfig, 'beta1' | 'beta2' | 'epsilon' | 'weightDecay'>,
  ): void {
    const { m, v } = this.#moments;
    const parameters = [...this.#trained.weights].map(([name, parameter], i) => {
      return { parameter, gradient: gradients[i]!, m: m.get(name)!, v: v.get(name)!, decay: this.#trained.decays(name) ? weightDecay : 0 };
    });
    adamw(parameters, { ...at, beta1, beta2, epsilon, decay: weightDecay });
  }
}
