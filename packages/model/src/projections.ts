import { linear, linearSplit, split, type Tensor } from '@hidden-attention/tensor';

/** Several projections of x (b l m) whose weights are rows of one (n m): (b l size) each. Spelled out, a rule for `linear` sees them. */
export function projections(x: Tensor, weight: Tensor, sizes: readonly number[], bias: Tensor | undefined, spelledOut: boolean): Tensor[] {
  return spelledOut ? split(linear(x, weight, bias), sizes) : linearSplit(x, weight, sizes, bias);
}
