import type { FileHandle } from 'node:fs/promises';
import { arrayFor, elementBytes, type ArrayOfDType, type StoredDType } from './dtypes.js';
import { readNumbers } from './file-reading.js';

/** Which numbers of a storage a tensor has: from `offset` on, a step along an axis being its stride apart. */
export interface Layout {
  offset: number;
  shape: readonly number[];
  strides: readonly number[];
}

/** Numbers that are read at once where a tensor's are not side by side. */
const piece = 1 << 19;

/** Strides of a row-major tensor. */
function rowMajor(shape: readonly number[]): number[] {
  let stride = 1;
  return shape
    .toReversed()
    .map((size) => (stride *= size) / size)
    .toReversed();
}

/** Whether a tensor's numbers lie side by side, in its own order. */
export function isContiguous({ shape, strides }: Layout): boolean {
  if (shape.includes(0)) return true;
  const wanted = rowMajor(shape);
  return shape.every((size, axis) => size === 1 || strides[axis] === wanted[axis]);
}

/**
 * The numbers of a tensor, row-major. Those of a transposed or sliced tensor are put in their places out of a piece of the file
 * at a time, in the order in which they lie there.
 * @param start byte of the file at which the storage begins
 */
export async function readStrided(file: FileHandle, tensor: Layout, dtype: StoredDType, start: number): Promise<ArrayOfDType[StoredDType]> {
  const { offset, shape, strides } = tensor;
  const count = shape.reduce((product, size) => product * size, 1);
  const each = elementBytes[dtype];
  if (isContiguous(tensor)) return readNumbers(file, dtype, start + offset * each, count);

  const places = rowMajor(shape);
  const axes = shape
    .map((size, axis) => ({ size, stride: strides[axis]!, place: places[axis]! }))
    .filter(({ size }) => size > 1)
    .sort((a, b) => b.stride - a.stride);
  let extent = 1; // numbers from the first to the last one of the axes so far, the smallest stride first
  let ordered = true; // whether each step of an axis goes past all that lies below it
  for (const { size, stride } of axes.toReversed()) {
    ordered &&= stride >= extent;
    extent += (size - 1) * stride;
  }
  const most = ordered ? Math.min(piece, extent) : extent;

  const numbers = arrayFor(dtype, count);
  const index = axes.map(() => 0);
  let [window, from, end] = [arrayFor(dtype, 0), 0, 0];
  for (let i = 0, at = 0, to = 0; i < count; i++) {
    if (at >= end) {
      [from, end] = [at, Math.min(at + most, extent)];
      window = await readNumbers(file, dtype, start + (offset + from) * each, end - from);
    }
    numbers[to] = window[at - from]!;
    for (let axis = axes.length - 1; axis >= 0; axis--) {
      const { size, stride, place } = axes[axis]!;
      at += stride;
      to += place;
      if (++index[axis]! < size) break;
      at -= size * stride;
      to -= size * place;
      index[axis] = 0;
    }
  }
  return numbers;
}
