import { defineOp } from '../op.js';
import { scope } from '../scope.js';
import { sizeOf, Tensor } from '../tensor.js';
import { binary, unary } from './elementwise.js';

/** What `sumLast` sums, in the order of ops/reduce/reduce.h; 'max' and 'min' take the largest and the smallest instead. */
const kinds = ['sum', 'abs', 'positive', 'squares', 'max', 'min'] as const;
type Kind = (typeof kinds)[number];
type Out = { y: Tensor<'f32'> };

const lastOp = defineOp<{ x: Tensor }, { kind: Kind; scale: number }, Out>({
  name: 'sumLast',
  signature: 'x: ... d -> y: ...',
  forward({ x }, { kind, scale }, { axes }) {
    const leading = x.shape.slice(0, -1);
    const y = Tensor.empty(leading, x.device);
    x.device.run('reduceLast', { rows: sizeOf(leading), columns: axes.d, kind: kinds.indexOf(kind), scale, x: x.handle, y: y.handle });
    return { outputs: { y } };
  },
  gradient({ inputs: { x }, options: { kind, scale } }, { y: dy }) {
    if (kind !== 'sum' && kind !== 'squares') throw new Error(`sumLast: '${kind}' has no gradient; 'sum' and 'squares' have one`);
    if (!dy) return {};
    return scope(() => {
      const each = dy.view([...x.shape.slice(0, -1), 1]);
      if (kind === 'sum') return { x: binary('multiply', Tensor.full(x.shape, scale, x.device), each) };
      return { x: binary('multiply', unary('affine', x, 2 * scale), each) };
    });
  },
});

/**
 * scale·Σ f(x) over the last axis: x (… d) → (…), f the number itself ('sum'), its absolute value, its positive part or its
 * square; or scale·the largest ('max') or smallest ('min') number. Gradients: 'sum' and 'squares'.
 */
export function sumLast(x: Tensor, kind: Kind = 'sum', scale = 1): Tensor<'f32'> {
  return lastOp({ x }, { kind, scale }).y;
}

const leadingOp = defineOp<{ x: Tensor }, object, Out>({
  name: 'sumLeading',
  signature: 'x: ... d -> y: d',
  forward({ x }, _, { axes }) {
    const y = Tensor.empty([axes.d!], x.device);
    x.device.run('reduceLeading', { rows: sizeOf(x.shape.slice(0, -1)), columns: axes.d, x: x.handle, y: y.handle });
    return { outputs: { y } };
  },
  gradient({ inputs: { x } }, { y: dy }) {
    return dy ? scope(() => ({ x: binary('multiply', Tensor.full(x.shape, 1, x.device), dy) })) : {};
  },
});

/** Sum over all axes but the last: x (… d) → (d). */
export function sumLeading(x: Tensor): Tensor<'f32'> {
  return leadingOp({ x }, {}).y;
}

const sumOp = defineOp<{ x: Tensor }, object, Out>({
  name: 'sum',
  signature: 'x: ... -> y: 1',
  forward({ x }) {
    const y = Tensor.empty([1], x.device);
    x.device.run('reduceLast', { rows: 1, columns: x.size, kind: 0, scale: 1, x: x.handle, y: y.handle });
    return { outputs: { y } };
  },
  gradient({ inputs: { x } }, { y: dy }) {
    return dy ? scope(() => ({ x: binary('multiply', Tensor.full(x.shape, 1, x.device), dy) })) : {};
  },
});

/** Sum of all numbers: any shape → (1). */
export function sum(x: Tensor): Tensor<'f32'> {
  return sumOp({ x }, {}).y;
}

const weightedOp = defineOp<{ x: Tensor; weights: Tensor }, object, Out>({
  name: 'weightedSum',
  signature: 'x: b l d, weights: b l -> y: b d',
  forward({ x, weights }, _, { axes }) {
    const y = Tensor.empty([axes.b!, axes.d!], x.device);
    x.device.run('weightedSum', { batch: axes.b, length: axes.l, channels: axes.d, x: x.handle, weights: weights.handle, y: y.handle });
    return { outputs: { y } };
  },
  gradient({ inputs: { x, weights }, axes }, { y: dy }) {
    if (!dy) return {};
    const { b, l, d } = axes as Record<'b' | 'l' | 'd', number>;
    return scope(() => {
      const spread = Tensor.empty(x.shape, x.device);
      for (let row = 0; row < b; row++) {
        x.device.run('copyBlocks', {
          blocks: l,
          run: d,
          sourceOffset: row * d,
          sourceStride: 0,
          sourceCount: dy.size,
          targetOffset: row * l * d,
          targetStride: d,
          targetCount: x.size,
          source: dy.handle,
          target: spread.handle,
        });
      }
      return { x: binary('multiply', spread, weights.view([b, l, 1])) };
    });
  },
});

/**
 * y[b,d] = Σ_l weights[b,l]·x[b,l,d]: mean pooling, the last position, any one position. x (b l d), weights (b l) → (b d).
 * The weights count as constants.
 */
export function weightedSum(x: Tensor, weights: Tensor): Tensor<'f32'> {
  return weightedOp({ x, weights }, {}).y;
}
