import { ShapeError, formatShape } from '../shape-error.js';
import { commonType, sizeOf, Tensor, type Float } from '../tensor.js';

/** Functions of one number, in the order of ops/elementwise/elementwise.h. */
export const unaryKinds = [
  'silu',
  'softplus',
  'sigmoid',
  'exp',
  'negExp',
  'positive',
  'abs',
  'affine',
  'square',
  'log',
  'gelu',
  'geluTanh',
  'normalDistribution',
] as const;
export type UnaryKind = (typeof unaryKinds)[number];

/** Functions of two numbers, in the order of ops/elementwise/elementwise.h. */
export const binaryKinds = ['add', 'subtract', 'multiply', 'divide'] as const;
export type BinaryKind = (typeof binaryKinds)[number];

/** f(x) in the type of x, but A = −exp(A_log) always in f32; recorded nowhere; scale and shift are those of 'affine'. */
export function unary(kind: UnaryKind, x: Tensor, scale = 1, shift = 0): Tensor<Float> {
  const y = kind === 'negExp' ? Tensor.empty(x.shape, x.device) : Tensor.like(x);
  x.device.run('unary', { count: x.size, kind: unaryKinds.indexOf(kind), scale, shift, x: x.handle, y: y.handle });
  return y;
}

/** dy·f′(x), recorded nowhere. */
export function unaryBackward(kind: UnaryKind, x: Tensor, dy: Tensor, scale = 1): Tensor<Float> {
  const dx = Tensor.like(x);
  x.device.run('unaryBackward', { count: x.size, kind: unaryKinds.indexOf(kind), scale, x: x.handle, dy: dy.handle, dx: dx.handle });
  return dx;
}

/** How b is spread over a: number for number, one for all, one row for all rows, one number a row. */
export type Spread = 'same' | 'one' | 'suffix' | 'row';

/** Steps through b for one step down and one to the right in a. */
const strides: Record<Spread, (columns: number) => { bRowStride: number; bColumnStride: number }> = {
  same: (columns) => ({ bRowStride: columns, bColumnStride: 1 }),
  one: () => ({ bRowStride: 0, bColumnStride: 0 }),
  suffix: () => ({ bRowStride: 0, bColumnStride: 1 }),
  row: () => ({ bRowStride: 1, bColumnStride: 0 }),
};

/** @throws ShapeError where b can not be spread over a */
export function spreadOf(op: string, a: Tensor, b: Tensor): Spread {
  const leading = a.shape.length - b.shape.length;
  if (leading === 0 && b.shape.every((size, i) => size === a.shape[i])) return 'same';
  if (b.size === 1) return 'one';
  if (leading > 0 && b.shape.every((size, i) => size === a.shape[leading + i])) return 'suffix';
  if (leading === 0 && b.shape.at(-1) === 1 && b.shape.slice(0, -1).every((size, i) => size === a.shape[i])) return 'row';
  throw new ShapeError(
    `${op}: b is ${formatShape(b.shape)}; beside a ${formatShape(a.shape)} it must have a's shape or its last axes, be one number, or be ${formatShape([...a.shape.slice(0, -1), 1])}`,
  );
}

/** a ∘ b, f32 where their types differ, recorded nowhere; shapes as `spreadOf` takes them. */
export function binary(kind: BinaryKind, a: Tensor, b: Tensor): Tensor<Float> {
  const spread = spreadOf(kind, a, b);
  const columns = spread === 'suffix' ? b.size : spread === 'row' ? a.shape.at(-1)! : a.size;
  const rows = spread === 'suffix' ? sizeOf(a.shape.slice(0, -b.shape.length)) : spread === 'row' ? b.size : 1;
  const y = Tensor.empty(a.shape, a.device, commonType(a, b));
  a.device.run('binary', {
    rows,
    columns,
    ...strides[spread](columns),
    kind: binaryKinds.indexOf(kind),
    a: a.handle,
    b: b.handle,
    y: y.handle,
  });
  return y;
}
