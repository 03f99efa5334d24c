import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { concat, gradient, reshape, reverse, ShapeError, slice, split, Tensor, transpose } from '../../src/index.js';
import { expectGradients } from '../gradients.js';
import { array, Random, runs, type HostArray } from '../support.js';

const sizes = fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 17 }));

/** The part start…end−1 of one axis of three. */
function part({ shape, data }: HostArray, axis: number, start: number, end: number): HostArray {
  const newShape = shape.map((size, i) => (i === axis ? end - start : size)) as [number, number, number];
  return array(newShape, (flat) => {
    const at = [Math.floor(flat / (newShape[1] * newShape[2])), Math.floor(flat / newShape[2]) % newShape[1], flat % newShape[2]];
    at[axis]! += start;
    return data[(at[0]! * shape[1]! + at[1]!) * shape[2]! + at[2]!]!;
  });
}

describe('values and gradients', () => {
  test('slice, of every axis', () =>
    fc.assert(
      fc.asyncProperty(sizes, fc.nat(2), fc.nat(100), fc.nat(100), fc.integer(), async (shape, axis, p, q, seed) => {
        const [start, end] = [p % (shape[axis]! + 1), q % (shape[axis]! + 1)].sort((a, b) => a - b) as [number, number];
        await expectGradients({
          inputs: { x: new Random(seed).array(shape) },
          op: ({ x }) => [slice(x!, axis - 3, start, end)],
          reference: ({ x }) => [part(x!, axis, start, end)],
        });
      }),
      runs(20),
    ));

  test('reverse, of every axis', () =>
    fc.assert(
      fc.asyncProperty(sizes, fc.nat(2), fc.integer(), async (shape, axis, seed) => {
        await expectGradients({
          inputs: { x: new Random(seed).array(shape) },
          op: ({ x }) => [reverse(x!, axis)],
          reference: ({ x }) => [
            array(shape, (flat) => {
              const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
              const position = Math.floor(flat / inner) % shape[axis]!;
              return x!.data[flat + (shape[axis]! - 1 - 2 * position) * inner]!;
            }),
          ],
        });
      }),
      runs(10),
    ));

  test('split', () =>
    fc.assert(
      fc.asyncProperty(sizes, fc.array(fc.nat(5), { minLength: 1, maxLength: 4 }), fc.integer(), async ([p, q], parts, seed) => {
        const starts = parts.map((_, i) => parts.slice(0, i).reduce((a, b) => a + b, 0));
        const last = parts.reduce((a, b) => a + b, 0);
        await expectGradients({
          inputs: { x: new Random(seed).array([p, q, last]) },
          op: ({ x }) => split(x!, parts),
          reference: ({ x }) => parts.map((size, i) => part(x!, 2, starts[i]!, starts[i]! + size)),
        });
      }),
      runs(10),
    ));

  test('concat undoes slices, along every axis', () =>
    fc.assert(
      fc.asyncProperty(sizes, fc.nat(2), fc.nat(100), fc.integer(), async (shape, axis, p, seed) => {
        const [cut, end] = [p % (shape[axis]! + 1), shape[axis]!];
        const x = new Random(seed).array(shape);
        await expectGradients({
          inputs: { first: part(x, axis, 0, cut), second: part(x, axis, cut, end) },
          op: ({ first, second }) => [concat([first!, second!], axis)],
          reference: ({ first, second }) => [
            array(shape, (flat) => {
              const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
              const position = Math.floor(flat / inner) % end;
              const outer = Math.floor(flat / inner / end);
              const [from, at, size] = position < cut ? [first!, position, cut] : [second!, position - cut, end - cut];
              return from.data[(outer * size + at) * inner + (flat % inner)]!;
            }),
          ],
        });
      }),
      runs(20),
    ));

  test('transpose and reshape', () =>
    fc.assert(
      fc.asyncProperty(sizes, fc.integer(), async ([p, q, r], seed) => {
        await expectGradients({
          inputs: { x: new Random(seed).array([p, q, r]) },
          op: ({ x }) => [transpose(x!), reshape(x!, [p * q, r])],
          reference: ({ x }) => [
            array([p, r, q], (i) => x!.data[(Math.floor(i / (q * r)) * q + (i % q)) * r + (Math.floor(i / q) % r)]!),
            array([p * q, r], (i) => x!.data[i]!),
          ],
        });
      }),
      runs(10),
    ));
});

test('the part of a split that nobody uses gets zeros', async () => {
  const x = Tensor.full([2, 3], 1);
  const { gradients } = gradient(() => split(x, [1, 2])[1]!, [x]);
  expect([...(await gradients[0]!.read())]).toEqual([0, 1, 1, 0, 1, 1]);
});

test('what does not fit is refused', () => {
  const x = Tensor.full([2, 5], 0);
  expect(() => split(x, [2, 2])).toThrow(new ShapeError('split: sizes (2, 2) must add up to the last axis of x (2, 5)'));
  expect(() => slice(x, 1, 3, 6)).toThrow('slice: 3…6 does not lie in 0…5, which axis 1 of x (2, 5) has');
  expect(() => slice(x, 2, 0, 1)).toThrow('slice: axis is 2; the tensor (2, 5) has axes -2…1');
  expect(() => concat([x, Tensor.full([3, 4], 0)], 1)).toThrow('concat: x1 is (3, 4); all but axis 1 must be as x0 (2, 5) has it');
  expect(() => concat([], 0)).toThrow('concat: no tensors; at least one is needed');
  expect(() => reshape(x, [3, 3])).toThrow('view: (2, 5) holds 10 numbers; (3, 3) needs 9');
  expect(() => transpose(Tensor.full([4], 0))).toThrow('transpose: x is (4); it needs at least 2 axes (..., r, c)');
});
