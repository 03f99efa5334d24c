import { defineOp } from '../op.js';
import type { Tensor } from '../tensor.js';

/** Tensors of one parameter, all of its shape. */
export type AdamwInputs = {
  parameter: Tensor;
  gradient: Tensor;
  /** running mean of the gradient, zero at first */
  m: Tensor;
  /** running mean of its square, zero at first */
  v: Tensor;
};
/** Settings of one step. */
export interface AdamwOptions {
  learningRate: number;
  beta1: number;
  beta2: number;
  epsilon: number;
  /** share of the parameter, times the learning rate, that is taken off at each step */
  decay: number;
  /** number of this step, from 1 on: it corrects the running means for their start at zero */
  step: number;
  /** factor of the gradient: clipping, and the mean over accumulated batches */
  gradientScale: number;
}

const op = defineOp<AdamwInputs, AdamwOptions, Record<string, never>>({
  name: 'adamw',
  signature: 'parameter: ..., gradient: ..., m: ..., v: ... ->',
  forward({ parameter, gradient, m, v }, { step, ...options }) {
    if (!Number.isInteger(step) || step < 1) throw new RangeError(`adamw: step is ${step}; steps are counted from 1`);
    parameter.device.run('adamw', {
      ...options,
      count: parameter.size,
      correction1: 1 - options.beta1 ** step,
      correction2: 1 - options.beta2 ** step,
      gradient: gradient.handle,
      parameter: parameter.handle,
      m: m.handle,
      v: v.handle,
    });
    return { outputs: {} };
  },
});

/**
 * One step of AdamW with decoupled weight decay (Loshchilov and Hutter 2019):
 * parameter ← parameter − learningRate·(m̂/(√v̂ + epsilon) + decay·parameter).
 * The one op that changes its operands: parameter, m and v, in place. Ask a tape for its gradients before, not after.
 */
export function adamw(inputs: AdamwInputs, options: AdamwOptions): void {
  op(inputs, options);
}
