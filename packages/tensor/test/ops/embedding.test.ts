import fc from 'fast-check';
import { expect, test } from 'vitest';
import { add, affine, embedding, Tensor } from '../../src/index.js';
import { expectGradients } from '../gradients.js';
import { array, integers, Random, runs } from '../support.js';

test('values and gradients, ids repeated or not', () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat(6), { minLength: 1, maxLength: 20 }),
      fc.integer({ min: 1, max: 18 }),
      fc.integer(),
      async (ids, width, seed) => {
        await expectGradients({
          inputs: { ids: integers(ids, [1, ids.length]), table: new Random(seed).array([7, width]) },
          op: ({ ids, table }) => [embedding(ids!, table!)],
          reference: ({ table }) => [array([1, ids.length, width], (i) => table!.data[ids[Math.floor(i / width)]! * width + (i % width)]!)],
        });
      },
    ),
    runs(15),
  ));

test.each([-1, 7])('id %i of a table of 7 rejects every read that depends on it, and no other', async (wrong) => {
  const table = Tensor.full([7, 3], 2);
  const bad = embedding(Tensor.from(Int32Array.of(0, wrong)), table);
  const later = affine(add(bad, Tensor.full([1], 1)), 2);
  const other = embedding(Tensor.from(Int32Array.of(6)), table);
  await expect(bad.read()).rejects.toThrow(`id ${wrong} at position 1`);
  await expect(later.read()).rejects.toThrow(`id ${wrong} at position 1`);
  expect([...(await other.read())]).toEqual([2, 2, 2]);
  // memory that held an error is used again without it
  for (const tensor of [bad, later]) tensor.dispose();
  expect([...(await Tensor.full([2, 3], 5).read())]).toEqual([5, 5, 5, 5, 5, 5]);
});

test('ids that are not whole numbers are refused', () => {
  expect(() => embedding(Tensor.full([2], 1), Tensor.full([7, 3], 2))).toThrow('embedding: ids is f32; i32 is needed');
});
