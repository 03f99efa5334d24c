import { defineOp, type Op, type OpDefinition } from '../op.js';
import { scope } from '../scope.js';
import type { Float, Tensor } from '../tensor.js';
import { binary, unary, unaryBackward, type UnaryKind } from './elementwise.js';

type In = { x: Tensor };
type Out = { y: Tensor<Float> };
type Options = { scale: number; shift: number };

function define(kind: UnaryKind, rules: NonNullable<OpDefinition<In, Options, Out>['rules']> = {}): Op<In, Options, Out> {
  return defineOp<In, Options, Out>({
    name: kind,
    signature: 'x: ... -> y: ...',
    forward: ({ x }, { scale, shift }) => ({ outputs: { y: unary(kind, x, scale, shift) } }),
    gradient: ({ inputs: { x }, options: { scale } }, { y: dy }) => (dy ? { x: unaryBackward(kind, x, dy, scale) } : {}),
    rules,
  });
}

const none: Options = { scale: 1, shift: 0 };

/** The rule of y = f(x)·x that holds f(x) (math.md section 5). */
const holdRatio = (ratioOf: (x: Tensor) => Tensor): NonNullable<OpDefinition<In, Options, Out>['rules']> => ({
  holdRatio: ({ inputs: { x } }, { y: dy }) => (dy ? scope(() => ({ x: binary('multiply', dy, ratioOf(x)) })) : {}),
});

const siluOp = define(
  'silu',
  holdRatio((x) => unary('sigmoid', x)),
);
const geluOp = define(
  'gelu',
  holdRatio((x) => unary('normalDistribution', x)),
);
const geluTanhOp = define(
  'geluTanh',
  // (1 + tanh(w/2))/2 = σ(w)
  holdRatio((x) => {
    const factor = 2 * Math.sqrt(2 / Math.PI);
    return unary('sigmoid', binary('multiply', x, unary('affine', unary('square', x), 0.044715 * factor, factor)));
  }),
);
const [softplusOp, sigmoidOp, expOp, negExpOp, positiveOp, absOp, affineOp, squareOp, logOp] = (
  ['softplus', 'sigmoid', 'exp', 'negExp', 'positive', 'abs', 'affine', 'square', 'log'] as const
).map((kind) => define(kind)) as [Op<In, Options, Out>, ...Op<In, Options, Out>[]];

/** SiLU(x) = x·σ(x), any shape. Rule `holdRatio`: σ(x) counts as a constant. */
export function silu(x: Tensor): Tensor<Float> {
  return siluOp({ x }, none).y;
}
/**
 * GELU (Hendrycks and Gimpel 2016): x·Φ(x), Φ the normal distribution function; with `tanh` its approximation
 * x·(1 + tanh(√(2/π)·(x + 0.044715·x³)))/2, which GPT-2 uses. Any shape. Rule `holdRatio`: Φ(x) counts as a constant.
 */
export function gelu(x: Tensor, form: 'exact' | 'tanh' = 'exact'): Tensor<Float> {
  return (form === 'exact' ? geluOp : geluTanhOp)({ x }, none).y;
}
/** log(1 + eˣ), x itself above 20 (as PyTorch has it), any shape. */
export function softplus(x: Tensor): Tensor<Float> {
  return softplusOp({ x }, none).y;
}
/** 1/(1 + e⁻ˣ), any shape. */
export function sigmoid(x: Tensor): Tensor<Float> {
  return sigmoidOp!({ x }, none).y;
}
/** eˣ, any shape. */
export function exp(x: Tensor): Tensor<Float> {
  return expOp!({ x }, none).y;
}
/** −eˣ, any shape: A from A_log (math.md section 1). */
export function negExp(x: Tensor): Tensor<Float> {
  return negExpOp!({ x }, none).y;
}
/** max(x, 0), any shape; the gradient at 0 is 0. */
export function positive(x: Tensor): Tensor<Float> {
  return positiveOp!({ x }, none).y;
}
/** |x|, any shape; the gradient at 0 is 0. */
export function abs(x: Tensor): Tensor<Float> {
  return absOp!({ x }, none).y;
}
/** scale·x + shift, any shape. */
export function affine(x: Tensor, scale: number, shift = 0): Tensor<Float> {
  return affineOp!({ x }, { scale, shift }).y;
}
/** x², any shape. */
export function square(x: Tensor): Tensor<Float> {
  return squareOp!({ x }, none).y;
}
/** Natural logarithm, any shape. */
export function log(x: Tensor): Tensor<Float> {
  return logOp!({ x }, none).y;
}
