import { gammaRule } from '../gamma.js';
import { defineOp, type Op } from '../op.js';
import { scope } from '../scope.js';
import { formatShape, ShapeError } from '../shape-error.js';
import { anyTape, unrecorded } from '../tape.js';
import { commonType, sizeOf, Tensor, type Float } from '../tensor.js';
import { concat, slice } from './layout.js';
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
    if (weight.dtype === 'i8') return { outputs: { y: linearInt8(x, weight, bias, { firstRow: 0, n }, dtype) } };
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

const partsOp = defineOp<In, { sizes: readonly number[] }, Record<string, Tensor<Float>>>({
  name: 'linearSplit',
  signature: 'x: ... k, weight: n k, bias?: n -> parts: *',
  forward({ x, weight, bias }, { sizes }, { axes }) {
    const { k, n } = axes as Record<'k' | 'n', number>;
    if (sizes.some((size) => !(size >= 0)) || sizes.reduce((a, b) => a + b, 0) !== n)
      throw new ShapeError(`linearSplit: sizes ${formatShape(sizes)} must add up to the rows of weight ${formatShape(weight.shape)}`);
    const leading = x.shape.slice(0, -1);
    const outputs: Record<string, Tensor<Float>> = {};
    for (const [i, { size, start }] of placesOf(sizes).entries()) {
      const own = bias && unrecorded(() => slice(bias, 0, start, start + size));
      if (weight.dtype === 'i8') outputs[i] = linearInt8(x, weight, own, { firstRow: start, n: size });
      else {
        const y = (outputs[i] = Tensor.empty([...leading, size], x.device, commonType(x, weight)));
        const operands = { a: x.handle, b: weight.handle, bias: own?.handle, c: y.handle };
        x.device.run('matmul', { m: sizeOf(leading), n: size, k, bOffset: start * k, transposeB: true, ...operands });
      }
      own?.dispose();
    }
    return { outputs };
  },
  gradient({ inputs: { x, weight, bias }, options: { sizes }, axes }, dParts, needs) {
    const { k } = axes as Record<'k', number>;
    const parts = placesOf(sizes).flatMap((place, i) => (dParts[i] ? [{ ...place, dy: dParts[i] }] : []));
    if (parts.length === 0) return {};
    const { device } = x;
    const type = commonType(x, weight);
    const rows = sizeOf(x.shape.slice(0, -1));
    return scope(() => {
      const b = (weight.dtype === 'i8' ? weight.as('f32') : weight).handle;
      const dx = needs('x') ? Tensor.empty(x.shape, device, type) : undefined;
      const dWeight = needs('weight') ? Tensor.empty(weight.shape, device, type) : undefined;
      if (dWeight && parts.length < sizes.length) device.run('fill', { count: dWeight.size, value: 0, y: dWeight.handle });
      for (const [i, { size, start, dy }] of parts.entries()) {
        const a = (dy.dtype === type ? dy : dy.as(type)).handle;
        if (dx) device.run('matmul', { m: rows, n: k, k: size, bOffset: start * k, accumulate: i > 0, a, b, c: dx.handle });
        if (dWeight)
          device.run('matmul', { m: size, n: k, k: rows, cOffset: start * k, transposeA: true, a, b: x.handle, c: dWeight.handle });
      }
      const ofBias = (size: number, i: number): Tensor => (dParts[i] ? sumLeading(dParts[i]) : Tensor.full([size], 0, device));
      return { x: dx, weight: dWeight, bias: bias && needs('bias') ? concat(sizes.map(ofBias), 0) : undefined };
    });
  },
});

/** Where each part begins. */
function placesOf(sizes: readonly number[]): { size: number; start: number }[] {
  let start = 0;
  return sizes.map((size) => ({ size, start: (start += size) - size }));
}

/** With rows firstRow…firstRow+n−1 of a weight in int8. */
function linearInt8(
  x: Tensor,
  weight: Tensor,
  bias: Tensor | undefined,
  { firstRow, n }: { firstRow: number; n: number },
  dtype: Float = 'f32',
): Tensor<Float> {
  const y = Tensor.empty([...x.shape.slice(0, -1), n], x.device, dtype);
  const k = weight.shape[1]!;
  const { handle: q, scales } = weight;
  const rounded = weight.roundsActivations && !anyTape();
  x.device.run('matmulInt8', { m: x.size / k, n, k, firstRow, rounded, a: x.handle, q, scales, bias: bias?.handle, c: y.handle });
  return y;
}

/**
 * x·weightᵀ (+ bias): x (… k), weight (n k), bias (n) → (… n). Sums are f32; the result has the type of x and weight, f32 where
 * they differ, unless `dtype` asks for another: a head's logits are wanted in f32. A weight may be in int8 (`quantize`): it is then
 * multiplied as it is stored, the result is f32, and gradients pass to x and bias only.
 * Where that weight rounds activations (`quantize(weight, { activations: true })`), each row of x is rounded as `quantize` rounds,
 * group by group, and Σ over groups of (Σ of whole products)·scale of x·scale of weight is added up in f32. Not while a tape is open:
 * gradients and relevance rest on linear layers being linear, so that there x stays as it is, as with a weight in int8 that does not.
 * Rule `gamma:γ`: contributions of the output's own sign count 1 + γ times, all scaled to add up to it (`gammaRule`).
 */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor, options: { dtype?: Float } = {}): Tensor<Float> {
  return op({ x, weight, bias }, options).y;
}

/**
 * `split(linear(x, weight, bias), sizes)` without a copy: each part is a product with its own rows of the weight. x (… k),
 * weight (n k), bias (n), sizes that add up to n → one tensor (… size) each. Rules for `linear` do not see it.
 */
export function linearSplit(x: Tensor, weight: Tensor, sizes: readonly number[], bias?: Tensor): Tensor<Float>[] {
  const parts = partsOp({ x, weight, bias }, { sizes });
  return sizes.map((_, i) => parts[i]!);
}
