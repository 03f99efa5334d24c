import { defineOp } from '../op.js';
import { scope } from '../scope.js';
import { commonType, sizeOf, type Float, type Tensor } from '../tensor.js';
import { product } from './matmul.js';
import { sumLeading } from './reduce.js';

type In = { x: Tensor; weight: Tensor; bias?: Tensor | undefined };

const op = defineOp<In, { dtype?: Float | undefined }, { y: Tensor<Float> }>({
  name: 'linear',
  signature: 'x: ... k, weight: n k, bias?: n -> y: ... n',
  forward({ x, weight, bias }, { dtype }, { axes }) {
    const { k, n } = axes as Record<'k' | 'n', number>;
    const leading = x.shape.slice(0, -1);
    return { outputs: { y: scope(() => product(sizeOf(leading), n, k, x, false, weight, true, bias, dtype).view([...leading, n])) } };
  },
  gradient({ inputs: { x, weight, bias }, axes }, { y: dy }, needs) {
    if (!dy) return {};
    const { k, n } = axes as Record<'k' | 'n', number>;
    const rows = sizeOf(x.shape.slice(0, -1));
    return scope(() => {
      const type = commonType(x, weight); // a widened result does not make the products of its gradient wide
      const g = dy.dtype === type ? dy : dy.as(type);
      return {
        x: needs('x') ? product(rows, k, n, g, false, weight, false).view(x.shape) : undefined,
        weight: needs('weight') ? product(n, k, rows, g, true, x, false) : undefined,
        bias: bias && needs('bias') ? sumLeading(dy) : undefined,
      };
    });
  },
});

/**
 * x·weightᵀ (+ bias): x (… k), weight (n k), bias (n) → (… n). Sums are f32; the result has the type of x and weight, f32 where
 * they differ, unless `dtype` asks for another: a head's logits are wanted in f32.
 */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor, options: { dtype?: Float } = {}): Tensor<Float> {
  return op({ x, weight, bias }, options).y;
}
