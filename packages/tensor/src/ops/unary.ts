import { defineOp, type Op } from '../op.js';
import { Tensor } from '../tensor.js';

/** Numbers of the functions in ops/elementwise/elementwise.h, in its order. */
const kinds = ['silu', 'softplus', 'sigmoid', 'exp', 'negExp', 'positive', 'abs', 'affine', 'square', 'log'] as const;
type Kind = (typeof kinds)[number];
type In = { x: Tensor };
type Out = { y: Tensor<'f32'> };
type Options = { scale: number; shift: number };

function apply(kind: Kind, x: Tensor, { scale, shift }: Options): Tensor<'f32'> {
  const y = Tensor.empty(x.shape, x.device);
  x.device.run('unary', { count: x.size, kind: kinds.indexOf(kind), scale, shift, x: x.handle, y: y.handle });
  return y;
}

function define(kind: Kind, rules?: NonNullable<Parameters<typeof defineOp<In, Options, Out>>[0]['rules']>): Op<In, Options, Out> {
  return defineOp<In, Options, Out>({
    name: kind,
    signature: 'x: ... -> y: ...',
    forward: ({ x }, options) => ({ outputs: { y: apply(kind, x, options) } }),
    gradient({ inputs: { x }, options: { scale } }, { y: dy }) {
      if (!dy) return {};
      const dx = Tensor.empty(x.shape, x.device);
      x.device.run('unaryBackward', { count: x.size, kind: kinds.indexOf(kind), scale, x: x.handle, dy: dy.handle, dx: dx.handle });
      return { x: dx };
    },
    ...(rules ? { rules } : {}),
  });
}

const none: Options = { scale: 1, shift: 0 };

const siluOp = define('silu', {
  // SiLU(x) = σ(x)·x with the ratio SiLU(x)/x = σ(x) held (math.md section 5)
  holdRatio({ inputs: { x } }, { y: dy }) {
    if (!dy) return {};
    const ratio = apply('sigmoid', x, none);
    const dx = Tensor.empty(x.shape, x.device);
    x.device.run('binary', { rows: 1, columns: x.size, bRowStride: 0, bColumnStride: 1, kind: 2, a: ratio.handle, b: dy.handle, y: dx.handle });
    ratio.dispose();
    return { x: dx };
  },
});
const [softplusOp, sigmoidOp, expOp, negExpOp, positiveOp, absOp, affineOp, squareOp, logOp] = (
  ['softplus', 'sigmoid', 'exp', 'negExp', 'positive', 'abs', 'affine', 'square', 'log'] as const
).map((kind) => define(kind)) as [Op<In, Options, Out>, ...Op<In, Options, Out>[]];

/** SiLU(x) = x·σ(x), any shape. Rule `holdRatio`: σ(x) counts as a constant. */
export function silu(x: Tensor): Tensor<'f32'> {
  return siluOp({ x }, none).y;
}
/** log(1 + eˣ), x itself above 20 (as PyTorch has it), any shape. */
export function softplus(x: Tensor): Tensor<'f32'> {
  return softplusOp({ x }, none).y;
}
/** 1/(1 + e⁻ˣ), any shape. */
export function sigmoid(x: Tensor): Tensor<'f32'> {
  return sigmoidOp!({ x }, none).y;
}
/** eˣ, any shape. */
export function exp(x: Tensor): Tensor<'f32'> {
  return expOp!({ x }, none).y;
}
/** −eˣ, any shape: A from A_log (math.md section 1). */
export function negExp(x: Tensor): Tensor<'f32'> {
  return negExpOp!({ x }, none).y;
}
/** max(x, 0), any shape; the gradient at 0 is 0. */
export function positive(x: Tensor): Tensor<'f32'> {
  return positiveOp!({ x }, none).y;
}
/** |x|, any shape; the gradient at 0 is 0. */
export function abs(x: Tensor): Tensor<'f32'> {
  return absOp!({ x }, none).y;
}
/** scale·x + shift, any shape. */
export function affine(x: Tensor, scale: number, shift = 0): Tensor<'f32'> {
  return affineOp!({ x }, { scale, shift }).y;
}
/** x², any shape. */
export function square(x: Tensor): Tensor<'f32'> {
  return squareOp!({ x }, none).y;
}
/** Natural logarithm, any shape. */
export function log(x: Tensor): Tensor<'f32'> {
  return logOp!({ x }, none).y;
}
