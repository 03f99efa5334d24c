import { affine, cast, matmul, positive, reshape, Tensor, type Float } from '@hidden-attention/tensor';

/** Each head's number for each of its channels: x (… h) → (… h·p). */
export function perChannel(x: Tensor, p: number): Tensor<Float> {
  const ones = cast(Tensor.full([1, p], 1, x.device), x.dtype as Float);
  return reshape(matmul(reshape(x, [x.size, 1]), ones), [...x.shape.slice(0, -1), x.shape.at(-1)! * p]);
}

/** One decay a head as A of the scan, the same for all states: A (h) → (h n). */
export function perState(A: Tensor, n: number): Tensor<Float> {
  return reshape(perChannel(A, n), [A.size, n]);
}

/** min(max(x, low), high); the gradient outside is 0. */
export function clamp(x: Tensor, [low, high]: readonly [number, number]): Tensor<Float> {
  const raised = low > 0 ? affine(positive(affine(x, 1, -low)), 1, low) : (x as Tensor<Float>);
  return high < Infinity ? affine(positive(affine(raised, -1, high)), -1, high) : raised;
}
