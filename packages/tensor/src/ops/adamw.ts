import { bindAxes, parseSignature } from '../signature.js';
import type { Tensor } from '../tensor.js';

/** Tensors of one parameter, all of its shape. */
export type AdamwInputs = {
  parameter: Tensor;
  gradient: Tensor;
  /** running mean of the gradient, zero at first */
  m: Tensor;
  /** running mean of its square, zero at first */
  v: Tensor;
  /** in place of the settings' `decay`, for this parameter */
  decay?: number | undefined;
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

const signature = parseSignature('parameter: ..., gradient: ..., m: ..., v: ... ->');

/**
 * One step of AdamW with decoupled weight decay (Loshchilov and Hutter 2019):
 * parameter ← parameter − learningRate·(m̂/(√v̂ + epsilon) + decay·parameter), for all parameters of a list in one call.
 * The one op that changes its operands: parameter, m and v, in place. It is not recorded on a tape: ask a tape for its
 * gradients before, not after.
 */
export function adamw(parameters: AdamwInputs | readonly AdamwInputs[], { step, decay, ...options }: AdamwOptions): void {
  if (!Number.isInteger(step) || step < 1) throw new RangeError(`adamw: step is ${step}; steps are counted from 1`);
  const list = 'parameter' in parameters ? [parameters] : parameters;
  const tensors = list.map(({ parameter, gradient, m, v, decay: own = decay }) => {
    bindAxes('adamw', signature, { parameter, gradient, m, v });
    return { count: parameter.size, decay: own, gradient: gradient.handle, parameter: parameter.handle, m: m.handle, v: v.handle };
  });
  list[0]?.parameter.device.run('adamw', {
    ...options,
    correction1: 1 - options.beta1 ** step,
    correction2: 1 - options.beta2 ** step,
    tensors,
  });
}
