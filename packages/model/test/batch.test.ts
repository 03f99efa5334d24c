import { expect, test } from 'vitest';
import { makeBatch, maskOf, ModelError, pickPositions } from '../src/index.js';

const ragged = makeBatch([[1, 2, 3, 4], [5], [6, 7]], 10);

test('rows are padded on the right and remembered by length', async () => {
  expect(ragged.ids.shape).toEqual([3, 4]);
  expect(Array.from(await ragged.ids.read())).toEqual([1, 2, 3, 4, 5, 0, 0, 0, 6, 7, 0, 0]);
  expect(ragged.lengths).toEqual([4, 1, 2]);
  expect(Array.from(await ragged.lengthsTensor!.read())).toEqual([4, 1, 2]);
  expect(Array.from(await maskOf(ragged).read())).toEqual([1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 0, 0]);
});

test('rows of one length need no lengths', () => {
  expect(
    makeBatch(
      [
        [1, 2],
        [3, 4],
      ],
      10,
    ).lengthsTensor,
  ).toBeUndefined();
});

test('positions are picked per row: mean, last, or one each, from the end when negative', async () => {
  expect(Array.from(await pickPositions(ragged, 'mean').read())).toEqual([0.25, 0.25, 0.25, 0.25, 1, 0, 0, 0, 0.5, 0.5, 0, 0]);
  expect(Array.from(await pickPositions(ragged, 'last').read())).toEqual([0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 0, 0]);
  expect(Array.from(await pickPositions(ragged, [1, -1, -2]).read())).toEqual([0, 1, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0]);
});

test.each([
  [[], /no rows/],
  [[[1], []], /row 1 of the input is empty/],
  [[[1, 10]], /id 10 at position 1 of row 0 is out of range; ids of this model are 0 to 9/],
  [[[1], [2, -1]], /id -1 at position 1 of row 1/],
  [[[1.5]], /id 1\.5 at position 0/],
  [[[NaN]], /id NaN at position 0/],
])('refuses the rows %j', (rows, message) => {
  expect(() => makeBatch(rows, 10)).toThrow(message);
  expect(() => makeBatch(rows, 10)).toThrow(ModelError);
});

test.each([
  [[4, 0, 0], /position 4 of row 0 does not exist; the row has positions 0 to 3/],
  [[0, 1, 0], /position 1 of row 1/],
  [[0, 0, -3], /position -3 of row 2/],
  [[0, 0, 0.5], /position 0\.5 of row 2/],
  [[0], /1 positions for 3 rows/],
])('refuses the positions %j', (positions, message) => {
  expect(() => pickPositions(ragged, positions)).toThrow(message);
});
