import { gammaRule } from '../gamma.js';
import { defineOp, type Op } from '../op.js';
import { scope } from '../scope.js';
import { commonType, sizeOf, Tensor, type Float } from '../tensor.js';
import { product } from './matmul.js';
import { sumLeading } from './reduce.js';

type In = { x: Tensor; weight: Tensor; bias?: Tensor | undefined };
type Options = { dtype?: Float | undefined };
type Out = { y: Tensor<Float> };

const op: Op<In, Options, Out> = defineOp<In, Options, Out>({
  name: 'linear',
  signature: 'x: ... k, weight: n k, bias?: n -> y: ... n',
  forward({ x, weight, bias }, { dtype }, { axes }) {
    const { k, n } = axes as Record<'k' | 'n', number>;
    const leading = x.shape.slice(0, -1);
    if (weight.dtype === 'i8') return { outputs: { y: linearInt8(x, weight, bias, [...leading, n], dtype) } };
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
        x: needs('x') ? product(rows, k, n, g, false, weight.dtype === 'i8' ? weight.as('f32') : weight, false).view(x.shape) : undefined,
        weight: needs('weight') ? product(n, k, rows, g, true, x, false) : undefined,
        bias: bias && needs('bias') ? sumLeading(dy) : undefined,
      };
    });
  },
  rules: { gamma: gammaRule(() => op.definition) },
});

function linearInt8(x: Tensor, weight: Tensor, bias: Tensor | undefined, shape: number[], dtype: Float = 'f32'): Tensor<Float> {
  const y = Tensor.empty(shape, x.device, dtype);
  const [n, k] = weight.shape as [number, number];
  const { handle: q, scales } = weight;
  x.device.run('matmulInt8', { m: y.size / n, n, k, a: x.handle, q, scales, bias: bias?.handle, c: y.handle });
  return y;
}

/**
 * x·weightᵀ (+ bias): x (… k), weight (n k), bias (n) → (… n). Sums are f32; the result has the type of x and weight, f32 where
 * they differ, unless `dtype` asks for another: a head's logits are wanted in f32. A weight may be in int8 (`quantize`): it is then
 * multiplied as it is stored, the result is f32, and gradients pass to x and bias only.
 * Rule `gamma:γ`: contributions of the output's own sign count 1 + γ times, all scaled to add up to it (`gammaRule`).
 */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor, options: { dtype?: Float } = {}): Tensor<Float> {
  return op({ x, weight, bias }, options).y;
}
