import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { slice, softmaxAttention, softmaxAttentionMatrix, Tensor } from '../../src/index.js';
import { expectGradients } from '../gradients.js';
import { applied, probabilities } from '../reference/softmax-attention.js';
import { array, download, expectClose, integers, Random, runs, upload, type HostArray } from '../support.js';

const sizes = fc.record({
  batch: fc.integer({ min: 1, max: 2 }),
  heads: fc.integer({ min: 1, max: 3 }),
  queries: fc.integer({ min: 1, max: 6 }),
  more: fc.integer({ min: 0, max: 4 }),
  width: fc.integer({ min: 1, max: 9 }),
  causal: fc.boolean(),
  seed: fc.integer(),
});

function operands({
  batch,
  heads,
  queries,
  more,
  width,
  seed,
}: {
  batch: number;
  heads: number;
  queries: number;
  more: number;
  width: number;
  seed: number;
}): Record<'q' | 'k' | 'v', HostArray> {
  const random = new Random(seed);
  const make = (length: number): HostArray => random.array([batch, length, heads, width], -1.5, 1.5);
  return { q: make(queries), k: make(queries + more), v: make(queries + more) };
}

test('values and gradients, by the definition', async () => {
  await fc.assert(
    fc.asyncProperty(sizes, async ({ causal, ...shape }) => {
      const options = { causal, scale: 1 / Math.sqrt(shape.width) };
      await expectGradients({
        inputs: operands(shape),
        op: ({ q, k, v }) => [softmaxAttention({ q: q!, k: k!, v: v! }, { causal }).y],
        reference: ({ q, k, v }) => [applied(probabilities(q!, k!, options), v!)],
      });
    }),
    runs(12),
  );
});

test('rule holdAttention: the probabilities count as constants', async () => {
  const inputs = operands({ batch: 2, heads: 2, queries: 5, more: 0, width: 4, seed: 3 });
  const options = { causal: true, scale: 0.7 };
  await expectGradients({
    inputs,
    op: ({ q, k, v }) => [softmaxAttention({ q: q!, k: k!, v: v! }, options).y],
    reference: ({ q, k, v }) => [applied(probabilities(q!, k!, options), v!)],
    rules: { softmaxAttention: 'holdAttention' },
    held: ({ v }) => [applied(probabilities(inputs.q, inputs.k, options), v!)],
  });
});

test('rows of shorter keys, and rows of the matrix', async () => {
  const { q, k, v } = operands({ batch: 2, heads: 3, queries: 7, more: 0, width: 5, seed: 9 });
  const lengths = [7, 3];
  const options = { causal: false, scale: 1 / Math.sqrt(5) };
  const [Q, K, V, L] = [upload(q), upload(k), upload(v), upload(integers(lengths)) as Tensor];
  const expected = probabilities(q, k, { ...options, lengths });
  const { y, logSumExp } = softmaxAttention({ q: Q, k: K, v: V, lengths: L }, { causal: false });
  expectClose(await download(y), applied(expected, v));
  const matrix = softmaxAttentionMatrix({ q: Q, k: K, logSumExp, lengths: L }, { causal: false });
  expectClose(await download(matrix), expected);
  const some = softmaxAttentionMatrix({ q: Q, k: K, logSumExp, lengths: L }, { causal: false, rowStart: 2, rows: 3 });
  expect(await some.read()).toEqual(await slice(matrix, 2, 2, 5).read());
});

test('a step against a cache is the last row of the whole', async () => {
  const { q, k, v } = operands({ batch: 1, heads: 2, queries: 9, more: 0, width: 6, seed: 4 });
  const [Q, K, V] = [upload(q), upload(k), upload(v)];
  const whole = softmaxAttention({ q: Q, k: K, v: V }).y;
  const step = softmaxAttention({ q: slice(Q, 1, 8, 9), k: K, v: V }).y;
  expectClose(await download(step), await download(slice(whole, 1, 8, 9)), 1e-6);
});

describe('what is refused', () => {
  const x = (shape: number[]): Tensor => upload(array(shape, () => 1));
  test('more queries than keys, shapes that do not match, rows that are not there', () => {
    expect(() => softmaxAttention({ q: x([1, 3, 1, 2]), k: x([1, 2, 1, 2]), v: x([1, 2, 1, 2]) })).toThrow(/causal queries are the last/);
    expect(() => softmaxAttention({ q: x([1, 2, 1, 2]), k: x([1, 2, 1, 2]), v: x([1, 2, 2, 2]) })).toThrow(
      /v is \(1, 2, 2, 2\); axis 2 is "h"/,
    );
    const matrix = { q: x([1, 2, 1, 2]), k: x([1, 2, 1, 2]), logSumExp: x([1, 1, 2]) };
    expect(() => softmaxAttentionMatrix(matrix, { rowStart: 1, rows: 2 })).toThrow(/rows 1…2 were asked for; there are rows 0…1/);
  });
});
