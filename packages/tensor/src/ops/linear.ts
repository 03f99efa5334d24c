import { defineOp } from '../op.js';
import { scope } from '../scope.js';
import { sizeOf, type Float, type Tensor } from '../tensor.js';
import { product } from './matmul.js';
import { sumLeading } from './reduce.js';

type In = { x: Tensor; weight: Tensor; bias?: Tensor | undefined };

const op = defineOp<In, object, { y: Tensor<Float> }>({
  name: 'linear',
  signature: 'x: ... k, weight: n k, bias?: n -> y: ... n',
  forward({ x, weight, bias }, _, { axes }) {
    const { k, n } = axes as Record<'k' | 'n', number>;
    const leading = x.shape.slice(0, -1);
    return { outputs: { y: scope(() => product(sizeOf(leading), n, k, x, false, weight, true, bias).view([...leading, n])) } };
  },
  gradient({ inputs: { x, weight, bias }, axes }, { y: dy }, needs) {
    if (!dy) return {};
    const { k, n } = axes as Record<'k' | 'n', number>;
    const rows = sizeOf(x.shape.slice(0, -1));
    return scope(() => ({
      x: needs('x') ? product(rows, k, n, dy, false, weight, false).view(x.shape) : undefined,
      weight: needs('weight') ? product(n, k, rows, dy, true, x, false) : undefined,
      bias: bias && needs('bias') ? sumLeading(dy) : undefined,
    }));
  },
});

/** x·weightᵀ (+ bias): x (… k), weight (n k), bias (n) → (… n). */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor<Float> {
  return op({ x, weight, bias }, {}).y;
}
