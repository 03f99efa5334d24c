import { defineOp } from '../op.js';
import { sizeOf, Tensor } from '../tensor.js';
import { sumLeading } from './reduce.js';

type In = { x: Tensor; weight: Tensor; bias?: Tensor | undefined };

const op = defineOp<In, object, { y: Tensor<'f32'> }>({
  name: 'linear',
  signature: 'x: ... k, weight: n k, bias?: n -> y: ... n',
  forward({ x, weight, bias }, _, { axes }) {
    const { k, n } = axes as Record<'k' | 'n', number>;
    const y = Tensor.empty([...x.shape.slice(0, -1), n], x.device);
    x.device.run('matmul', {
      m: sizeOf(x.shape.slice(0, -1)), n, k, transposeA: false, transposeB: true, accumulate: false,
      a: x.handle, b: weight.handle, bias: bias?.handle, c: y.handle,
    });
    return { outputs: { y } };
  },
  gradient({ inputs: { x, weight, bias }, axes }, { y: dy }, needs) {
    if (!dy) return {};
    const { k, n } = axes as Record<'k' | 'n', number>;
    const rows = sizeOf(x.shape.slice(0, -1));
    const product = (shape: readonly number[], args: Record<string, number | boolean>): Tensor<'f32'> => {
      const c = Tensor.empty(shape, x.device);
      x.device.run('matmul', { accumulate: false, ...args, c: c.handle });
      return c;
    };
    return {
      x: needs('x') ? product(x.shape, { m: rows, n: k, k: n, transposeA: false, transposeB: false, a: dy.handle, b: weight.handle }) : undefined,
      weight: needs('weight') ? product(weight.shape, { m: n, n: k, k: rows, transposeA: true, transposeB: false, a: dy.handle, b: x.handle }) : undefined,
      bias: bias && needs('bias') ? sumLeading(dy) : undefined,
    };
  },
});

/** x·weightᵀ (+ bias): x (… k), weight (n k), bias (n) → (… n). */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor<'f32'> {
  return op({ x, weight, bias }, {}).y;
}
