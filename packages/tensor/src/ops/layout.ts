import { defineOp, type Op } from '../op.js';
import { ShapeError, formatShape } from '../shape-error.js';
import { commonType, sizeOf, Tensor, type Float } from '../tensor.js';

type In = { x: Tensor };
type Out = { y: Tensor<Float> };

/** Copies positions `from`…`from + count − 1` of `axis` of `source` to those from `to` on of `target`. */
function copyAlong(axis: number, source: Tensor, from: number, target: Tensor, to: number, count: number): void {
  const inner = sizeOf(source.shape.slice(axis + 1));
  const block = (tensor: Tensor): number => tensor.shape[axis]! * inner;
  source.device.run('copyBlocks', {
    blocks: sizeOf(source.shape.slice(0, axis)),
    run: count * inner,
    sourceOffset: from * inner,
    sourceStride: block(source),
    sourceCount: source.size,
    targetOffset: to * inner,
    targetStride: block(target),
    targetCount: target.size,
    source: source.handle,
    target: target.handle,
  });
}

/**
 * Puts the numbers of `source` into the memory of `target`, which every view of it sees. No tape records it: it is for what a
 * `Device.record` runs again and again on the same memory, and breaks the rule that tensors do not change.
 */
export function assign(target: Tensor, source: Tensor): void {
  if (formatShape(target.shape) !== formatShape(source.shape)) {
    throw new ShapeError(`assign: the source is ${formatShape(source.shape)}; the target is ${formatShape(target.shape)}`);
  }
  const flat = [1, target.size];
  const [to, from] = [target.view(flat), source.view(flat)];
  copyAlong(1, from, 0, to, 0, target.size);
  to.dispose();
  from.dispose();
}

const resized = (shape: readonly number[], axis: number, size: number): number[] => shape.map((old, i) => (i === axis ? size : old));

function axisOf(op: string, shape: readonly number[], axis: number): number {
  const found = axis < 0 ? shape.length + axis : axis;
  if (!Number.isInteger(axis) || found < 0 || found >= shape.length) {
    throw new ShapeError(`${op}: axis is ${axis}; the tensor ${formatShape(shape)} has axes ${-shape.length}…${shape.length - 1}`);
  }
  return found;
}

const reshapeOp = defineOp<In, { shape: readonly number[] }, Out>({
  name: 'reshape',
  signature: 'x: ... -> y: *',
  forward: ({ x }, { shape }) => ({ outputs: { y: (x as Tensor<Float>).view(shape) } }),
  gradient: ({ inputs: { x } }, { y: dy }) => ({ x: dy?.view(x.shape) }),
});

/** The same numbers in another shape, in the same order and the same memory. */
export function reshape(x: Tensor, shape: readonly number[]): Tensor<Float> {
  return reshapeOp({ x }, { shape }).y;
}

const splitOp = defineOp<In, { sizes: readonly number[] }, Record<string, Tensor<Float>>>({
  name: 'split',
  signature: 'x: ... d -> parts: *',
  forward({ x }, { sizes }, { axes }) {
    if (sizes.some((size) => !(size >= 0)) || sizes.reduce((a, b) => a + b, 0) !== axes.d) {
      throw new ShapeError(`split: sizes ${formatShape(sizes)} must add up to the last axis of x ${formatShape(x.shape)}`);
    }
    const axis = x.shape.length - 1;
    const outputs: Record<string, Tensor<Float>> = {};
    let start = 0;
    sizes.forEach((size, i) => {
      const part = Tensor.like(x, resized(x.shape, axis, size));
      copyAlong(axis, x, start, part, 0, size);
      outputs[i] = part;
      start += size;
    });
    return { outputs };
  },
  gradient({ inputs: { x }, options: { sizes } }, dParts) {
    const complete = sizes.every((_, i) => dParts[i]);
    const dx = complete ? Tensor.like(x) : Tensor.full(x.shape, 0, x.device);
    let start = 0;
    sizes.forEach((size, i) => {
      if (dParts[i]) copyAlong(x.shape.length - 1, dParts[i], 0, dx, start, size);
      start += size;
    });
    return { x: dx };
  },
});

/** Cuts the last axis: x (… d), sizes that add up to d → one tensor (… size) each. */
export function split(x: Tensor, sizes: readonly number[]): Tensor<Float>[] {
  const parts = splitOp({ x }, { sizes });
  return sizes.map((_, i) => parts[i]!);
}

const sliceOp = defineOp<In, { axis: number; start: number; end: number }, Out>({
  name: 'slice',
  signature: 'x: ... -> y: *',
  forward({ x }, { axis, start, end }) {
    const y = Tensor.like(x, resized(x.shape, axis, end - start));
    copyAlong(axis, x, start, y, 0, end - start);
    return { outputs: { y } };
  },
  gradient({ inputs: { x }, options: { axis, start, end } }, { y: dy }) {
    if (!dy) return {};
    const dx = Tensor.full(x.shape, 0, x.device);
    copyAlong(axis, dy, 0, dx, start, end - start);
    return { x: dx };
  },
});

/** Positions start…end−1 of one axis (negative: from the last). */
export function slice(x: Tensor, axis: number, start: number, end: number): Tensor<Float> {
  const found = axisOf('slice', x.shape, axis);
  const size = x.shape[found]!;
  if (!Number.isInteger(start) || !Number.isInteger(end) || start < 0 || end < start || end > size) {
    throw new RangeError(`slice: ${start}…${end} does not lie in 0…${size}, which axis ${found} of x ${formatShape(x.shape)} has`);
  }
  return sliceOp({ x }, { axis: found, start, end }).y;
}

type Joined = Record<string, Tensor>;
const concatOps = new Map<number, Op<Joined, { axis: number }, Out>>();

/** Concatenation of `count` tensors: an op's operands have names, so each count is an op. */
function concatOp(count: number): Op<Joined, { axis: number }, Out> {
  const names = Array.from({ length: count }, (_, i) => `x${i}`);
  const op = defineOp<Joined, { axis: number }, Out>({
    name: 'concat',
    signature: `${names.map((name) => `${name}: *`).join(', ')} -> y: *`,
    forward(inputs, { axis }) {
      const first = inputs.x0!;
      for (const name of names) {
        const { shape } = inputs[name]!;
        if (formatShape(resized(shape, axis, 0)) !== formatShape(resized(first.shape, axis, 0))) {
          throw new ShapeError(
            `concat: ${name} is ${formatShape(shape)}; all but axis ${axis} must be as x0 ${formatShape(first.shape)} has it`,
          );
        }
      }
      const y = Tensor.empty(
        resized(
          first.shape,
          axis,
          names.reduce((total, name) => total + inputs[name]!.shape[axis]!, 0),
        ),
        first.device,
        commonType(...names.map((name) => inputs[name]!)),
      );
      let start = 0;
      for (const name of names) {
        const size = inputs[name]!.shape[axis]!;
        copyAlong(axis, inputs[name]!, 0, y, start, size);
        start += size;
      }
      return { outputs: { y } };
    },
    gradient({ inputs, options: { axis } }, { y: dy }, needs) {
      const gradients: Joined = {};
      let start = 0;
      for (const name of dy ? names : []) {
        const size = inputs[name]!.shape[axis]!;
        if (needs(name)) {
          gradients[name] = Tensor.like(inputs[name]!);
          copyAlong(axis, dy!, start, gradients[name], 0, size);
        }
        start += size;
      }
      return gradients;
    },
  });
  concatOps.set(count, op);
  return op;
}

/** Tensors one after another along an axis (negative: from the last); their other axes are equal. */
export function concat(tensors: readonly Tensor[], axis: number): Tensor<Float> {
  if (tensors.length === 0) throw new ShapeError('concat: no tensors; at least one is needed');
  const op = concatOps.get(tensors.length) ?? concatOp(tensors.length);
  return op(Object.fromEntries(tensors.map((tensor, i) => [`x${i}`, tensor])), { axis: axisOf('concat', tensors[0]!.shape, axis) }).y;
}

/** x (… r c) → (… c r), recorded nowhere. */
function transposed(x: Tensor): Tensor<Float> {
  const [rows, columns] = x.shape.slice(-2) as [number, number];
  const leading = x.shape.slice(0, -2);
  const y = Tensor.like(x, [...leading, columns, rows]);
  x.device.run('transpose', { batch: sizeOf(leading), rows, columns, x: x.handle, y: y.handle });
  return y;
}

const transposeOp = defineOp<In, object, Out>({
  name: 'transpose',
  signature: 'x: ... r c -> y: ... c r',
  forward: ({ x }) => ({ outputs: { y: transposed(x) } }),
  gradient: (_, { y: dy }) => ({ x: dy && transposed(dy) }),
});

/** The last two axes exchanged: x (… r c) → (… c r). */
export function transpose(x: Tensor): Tensor<Float> {
  return transposeOp({ x }, {}).y;
}

/** x with one axis the other way round, recorded nowhere. */
function reversed(x: Tensor, axis: number): Tensor<Float> {
  const y = Tensor.like(x);
  const run = sizeOf(x.shape.slice(axis + 1));
  x.device.run('reverse', { blocks: sizeOf(x.shape.slice(0, axis)), count: x.shape[axis], run, x: x.handle, y: y.handle });
  return y;
}

const reverseOp = defineOp<In, { axis: number }, Out>({
  name: 'reverse',
  signature: 'x: ... -> y: ...',
  forward: ({ x }, { axis }) => ({ outputs: { y: reversed(x, axis) } }),
  gradient: ({ options: { axis } }, { y: dy }) => ({ x: dy && reversed(dy, axis) }),
});

/** One axis (negative: from the last) the other way round: its last position first. */
export function reverse(x: Tensor, axis: number): Tensor<Float> {
  return reverseOp({ x }, { axis: axisOf('reverse', x.shape, axis) }).y;
}
