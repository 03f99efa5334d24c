import { defineOp } from '../op.js';
import type { Float, Tensor } from '../tensor.js';

const op = defineOp<{ x: Tensor }, { dtype: Float }, { y: Tensor<Float> }>({
  name: 'cast',
  signature: 'x: ... -> y: ...',
  forward: ({ x }, { dtype }) => ({ outputs: { y: x.as(dtype) } }),
  gradient: ({ inputs: { x } }, { y: dy }) => ({ x: dy?.as(x.dtype as Float) }),
});

/**
 * x in another type, any shape: rounded to the nearest number of 16 bits (ties to even), or widened without loss. Its gradient
 * comes back in the type of x. Where x has that type already it is given back itself.
 */
export function cast<T extends Float>(x: Tensor, dtype: T): Tensor<T> {
  return (x.dtype === dtype ? x : op({ x }, { dtype }).y) as Tensor<T>;
}
