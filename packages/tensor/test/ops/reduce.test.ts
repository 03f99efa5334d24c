import fc from 'fast-check';
import { expect, test } from 'vitest';
import { gradient, sum, sumLast, sumLeading, Tensor, weightedSum } from '../../src/index.js';
import { expectGradients } from '../gradients.js';
import { array, download, expectClose, Random, runs, upload, type HostArray } from '../support.js';

/** f of every run of `columns` numbers. */
function perRow(x: HostArray, f: (row: number[]) => number): HostArray {
  const columns = x.shape.at(-1)!;
  return array(x.shape.slice(0, -1), (r) => f(Array.from(x.data.subarray(r * columns, (r + 1) * columns))));
}
const total = (row: number[]): number => row.reduce((a, b) => a + b, 0);
const definitions = {
  sum: total,
  squares: (row: number[]) => total(row.map((x) => x * x)),
  abs: (row: number[]) => total(row.map(Math.abs)),
  positive: (row: number[]) => total(row.map((x) => Math.max(x, 0))),
  max: (row: number[]) => Math.max(...row),
  min: (row: number[]) => Math.min(...row),
};
const sizes = fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 7 }), fc.integer({ min: 1, max: 40 }));

test.each(['sum', 'squares'] as const)('sumLast %s: values and gradient', (kind) =>
  fc.assert(
    fc.asyncProperty(sizes, fc.integer(), async (shape, seed) => {
      await expectGradients({
        inputs: { x: new Random(seed).array(shape) },
        op: ({ x }) => [sumLast(x!, kind, -1.5)],
        reference: ({ x }) => [perRow(x!, (row) => -1.5 * definitions[kind](row))],
      });
    }),
    runs(8),
  ),
);

test.each(['abs', 'positive', 'max', 'min'] as const)('sumLast %s: values, of long rows too; no gradient', async (kind) => {
  for (const shape of [
    [3, 1],
    [2, 2, 7],
    [2, 40000],
  ]) {
    const x = new Random(shape.length).array(shape);
    expectClose(
      await download(sumLast(upload(x), kind, 2)),
      perRow(x, (row) => 2 * definitions[kind](row)),
      1e-6,
    );
  }
  const x = Tensor.full([2, 3], 1);
  expect(() => gradient(() => sumLast(x, kind), [x])).toThrow(`sumLast: '${kind}' has no gradient; 'sum' and 'squares' have one`);
});

test('sumLeading and sum: values and gradients', () =>
  fc.assert(
    fc.asyncProperty(sizes, fc.integer(), async (shape, seed) => {
      const columns = shape[2];
      await expectGradients({
        inputs: { x: new Random(seed).array(shape, 0, 1) },
        op: ({ x }) => [sumLeading(x!), sum(x!)],
        reference: ({ x }) => [
          array([columns], (c) => total(Array.from({ length: x!.data.length / columns }, (_, r) => x!.data[r * columns + c]!))),
          array([1], () => total(Array.from(x!.data))),
        ],
      });
    }),
    runs(10),
  ));

test('a million numbers are summed without losing digits', async () => {
  const expected = 1001000 * Math.fround(0.1);
  expect(Math.abs((await sum(Tensor.full([1000, 1001], 0.1)).item()) - expected) / expected).toBeLessThan(1e-5); // added one after another in f32: 1e-2
});

test('weightedSum: values and gradient', () =>
  fc.assert(
    fc.asyncProperty(sizes, fc.integer(), async (shape, seed) => {
      const random = new Random(seed);
      const [b, l, d] = shape;
      await expectGradients({
        inputs: { x: random.array(shape), weights: random.array([b, l]) },
        constants: ['weights'],
        op: ({ x, weights }) => [weightedSum(x!, weights!)],
        reference: ({ x, weights }) => [
          array([b, d], (i) => {
            const [row, channel] = [Math.floor(i / d), i % d];
            return total(Array.from({ length: l }, (_, p) => weights!.data[row * l + p]! * x!.data[(row * l + p) * d + channel]!));
          }),
        ],
      });
    }),
    runs(10),
  ));
