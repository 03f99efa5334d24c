import { add, reshape, rmsNorm, subtract, sumLast, type Float, type Tensor } from '@hidden-attention/tensor';

/**
 * Layer norm over the last axis (Ba et al. 2016): x (… m) less its mean, by its root mean square, times a weight (m), plus a bias (m).
 * Under the rule `holdScale` of `rmsNorm` it is linear in x.
 */
export function layerNorm(x: Tensor, weight: Tensor, bias: Tensor, epsilon: number): Tensor<Float> {
  const width = x.shape.at(-1)!;
  const mean = sumLast(x, 'sum', 1 / width);
  const centred = subtract(x, reshape(mean, [...mean.shape, 1]));
  return add(rmsNorm({ x: centred, weight }, { epsilon }).y, bias);
}
