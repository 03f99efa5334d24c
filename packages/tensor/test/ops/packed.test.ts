// Rows that hold several texts: scan, convolution and softmax attention give each what it gets alone, gradients included.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  causalConv1d,
  gradient,
  multiply,
  selectiveScan,
  selectiveScanTransposed,
  slice,
  softmaxAttention,
  sum,
  add,
  Tensor,
  type Float,
} from '../../src/index.js';
import { Random, runs, upload, type HostArray } from '../support.js';

type Inputs = Record<string, Tensor>;
/** `perPosition`: operands and results with a position axis, (b l …) */
interface Case {
  name: string;
  perPosition: (random: Random, length: number) => Record<string, HostArray>;
  fixed: (random: Random) => Record<string, HostArray>;
  run: (inputs: Inputs, starts: Tensor | undefined) => Tensor<Float>;
}

const cases: Case[] = [
  {
    name: 'selectiveScan',
    perPosition: (random, l) => ({
      u: random.array([1, l, 6]),
      delta: random.array([1, l, 6], 0.02, 0.8),
      B: random.array([1, l, 2, 5]),
      C: random.array([1, l, 2, 5]),
      z: random.array([1, l, 6], -2, 2),
    }),
    fixed: (random) => ({ A: random.array([6, 5], -2, -0.1), D: random.array([6]) }),
    run: (inputs, starts) => selectiveScan({ ...(inputs as never as Parameters<typeof selectiveScan>[0]), starts }).y,
  },
  {
    name: 'causalConv1d',
    perPosition: (random, l) => ({ x: random.array([1, l, 6]) }),
    fixed: (random) => ({ weight: random.array([6, 4]), bias: random.array([6]) }),
    run: (inputs, starts) => causalConv1d({ ...(inputs as never as Parameters<typeof causalConv1d>[0]), starts }).y,
  },
  {
    name: 'softmaxAttention',
    perPosition: (random, l) => ({ q: random.array([1, l, 2, 3]), k: random.array([1, l, 2, 3]), v: random.array([1, l, 2, 3]) }),
    fixed: () => ({}),
    run: (inputs, starts) => softmaxAttention({ ...(inputs as never as Parameters<typeof softmaxAttention>[0]), starts }).y,
  },
];

const startsOf = (texts: readonly number[]): Tensor => {
  let start = 0;
  const starts = texts.flatMap((length) => new Array<number>(length).fill((start += length) - length));
  return Tensor.from(Int32Array.from(starts), [1, starts.length]);
};

async function expectNear(actual: Tensor, expected: Tensor): Promise<void> {
  const [a, e] = [await actual.read(), await expected.read()];
  const size = e.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  expect(a.length).toBe(e.length);
  e.forEach((value, i) => expect(Math.abs(a[i]! - value)).toBeLessThanOrEqual(1e-5 * size + 1e-7));
}

test.each(cases)('$name of a row of texts is that of the texts alone', (one) =>
  fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 21 }), { minLength: 1, maxLength: 4 }), fc.integer(), async (texts, seed) => {
      const random = new Random(seed);
      const length = texts.reduce((total, each) => total + each, 0);
      const moving = Object.fromEntries(Object.entries(one.perPosition(random, length)).map(([name, array]) => [name, upload(array)]));
      const fixed = Object.fromEntries(Object.entries(one.fixed(random)).map(([name, array]) => [name, upload(array)]));
      const all = [...Object.values(moving), ...Object.values(fixed)];
      const weighted = (y: Tensor, from: number): Tensor => sum(multiply(y, upload(new Random(seed + from).array(y.shape))));
      const parts = (y: Tensor): [Tensor, number][] => {
        let at = 0;
        return texts.map((each) => [slice(y, 1, at, (at += each)), at - each]);
      };
      const together = gradient(
        () =>
          parts(one.run({ ...moving, ...fixed }, startsOf(texts)))
            .map(([y, at]) => weighted(y, at))
            .reduce((a, b) => add(a, b)),
        all,
      );
      const alone = gradient(() => {
        let at = 0;
        return texts
          .map((each) => {
            const own = Object.fromEntries(Object.entries(moving).map(([name, tensor]) => [name, slice(tensor, 1, at, at + each)]));
            at += each;
            return weighted(one.run({ ...own, ...fixed }, undefined), at - each);
          })
          .reduce((a, b) => add(a, b));
      }, all);
      await expectNear(together.value, alone.value);
      for (const [i, found] of together.gradients.entries()) await expectNear(found, alone.gradients[i]!);
    }),
    runs(25),
  ),
);

test('a row of the transposed scan ends where its text begins', async () => {
  const random = new Random(4);
  const [delta, A] = [upload(random.array([1, 30, 5], 0.02, 0.4)), upload(random.array([5, 3], -1, -0.1))];
  const [B, C] = [upload(random.array([1, 30, 1, 3])), upload(random.array([1, 30, 1, 3]))];
  const starts = startsOf([18, 12]);
  const [within, whole] = await Promise.all([
    selectiveScanTransposed({ delta, A, B, C, starts }, { position: 25 }).read(),
    selectiveScanTransposed({ delta, A, B, C }, { position: 25 }).read(),
  ]);
  expect(within.every((value, at) => (Math.floor(at / 5) < 18 ? value === 0 : value === whole[at]))).toBe(true);
});

test('starts of another shape are refused', () => {
  const x = Tensor.full([2, 4, 3], 1);
  expect(() => causalConv1d({ x, weight: Tensor.full([3, 2], 1), starts: Tensor.from(Int32Array.from([0, 0]), [1, 2]) })).toThrow(/starts/);
});
