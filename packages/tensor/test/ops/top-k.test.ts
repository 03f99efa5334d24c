import fc from 'fast-check';
import { expect, test } from 'vitest';
import { slice, Tensor, topK } from '../../src/index.js';
import { Random, runs } from '../support.js';

/** By its definition: sort, larger first, of equals the smaller index. */
function sorted(row: Float32Array, k: number, by: 'value' | 'magnitude'): [number, number][] {
  const size = (value: number): number => (by === 'magnitude' ? Math.abs(value) : value);
  const all = [...row.entries()].sort(([i, a], [j, b]) => size(b) - size(a) || i - j);
  return Array.from({ length: k }, (_, slot): [number, number] => (all[slot] ? [all[slot][0], all[slot][1]] : [-1, 0]));
}

test('the largest of each row, whole or in pieces', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 60 }),
      fc.integer({ min: 1, max: 12 }),
      fc.constantFrom('value' as const, 'magnitude' as const),
      fc.integer(),
      async (rows, columns, k, by, seed) => {
        const random = new Random(seed);
        const data = Float32Array.from({ length: rows * columns }, () => Math.round(8 * random.between(-1, 1)) / 4); // many equals
        const x = Tensor.from(data, [rows, columns]);
        const cut = Math.floor(columns / 2);
        const later = topK(slice(x, 1, cut, columns), { k, by, offset: cut });
        for (const { values, indices } of [topK(x, { k, by }), topK(slice(x, 1, 0, cut), { k, by, among: later })]) {
          expect(values.shape).toEqual([rows, k]);
          const expected = Array.from({ length: rows }, (_, r) => sorted(data.subarray(r * columns, (r + 1) * columns), k, by)).flat();
          expect(Array.from(await indices.read())).toEqual(expected.map(([index]) => index));
          expect(Array.from(await values.read(), (value) => value + 0)).toEqual(expected.map(([, value]) => value + 0));
        }
      },
    ),
    runs(40),
  );
});

test('rows that end early', async () => {
  const x = Tensor.from(Float32Array.of(1, 2, 9, 4, 3, 8), [2, 3]);
  const { values, indices } = topK(x, { k: 2, lengths: Tensor.from(Int32Array.of(2, 1)) });
  expect(Array.from(await values.read())).toEqual([2, 1, 4, 0]);
  expect(Array.from(await indices.read())).toEqual([1, 0, 0, -1]);
});

test('what cannot be', () => {
  const x = Tensor.full([2, 3], 1);
  expect(() => topK(x, { k: 0 })).toThrow('topK: k is 0; a whole number of at least 1 is needed');
  expect(() => topK(x, { k: 1, offset: -1 })).toThrow('offset is -1');
  expect(() => topK(x, { k: 2, among: topK(Tensor.full([3, 3], 1), { k: 2 }) })).toThrow(
    'heldValues is (3, 2); its leading axes must be (2)',
  );
});
