// Linear layers whose weights and activations are both in 8 bits ("W8A8").
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { embedding, gradient, linear, linearSplit, quantize, recomputed, silu, sum, Tensor, unrecorded } from '../../src/index.js';
import { groupScales, roundedInGroups, roundedLinear } from '../reference/groups.js';
import { distance, download, integers, Random, runs, upload } from '../support.js';

/** Rows of a weight, and groups in each; rows of x, of few and of many. */
const sizes = fc.tuple(fc.integer({ min: 1, max: 70 }), fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 40 }));

test('linear is that of the rounded rows, and no further from the exact one than half a scale a number', () =>
  fc.assert(
    fc.asyncProperty(sizes, fc.boolean(), fc.integer({ min: -12, max: 12 }), fc.integer(), async ([n, groups, m], biased, power, seed) => {
      const k = 32 * groups;
      const random = new Random(seed);
      const [x, bias] = [random.array([m, k], -(2 ** power), 2 ** power), random.array([n])];
      const weight = quantize(upload(random.array([n, k])), { activations: true });
      const y = linear(upload(x), weight, biased ? upload(bias) : undefined);
      expect([y.dtype, y.shape]).toEqual(['f32', [m, n]]);
      const [got, w, scales, rounded] = [await y.read(), await download(weight), groupScales(x), roundedInGroups(x)];
      const want = roundedLinear(x, w, biased ? bias : undefined);
      got.forEach((number, at) => {
        const [i, j] = [Math.floor(at / n), at % n];
        let [exact, size, moved] = [biased ? bias.data[j]! : 0, Math.abs(bias.data[j]!), 0];
        for (let p = 0; p < k; p++) {
          const weightOf = w.data[j * k + p]!;
          exact += x.data[i * k + p]! * weightOf;
          size += Math.abs(rounded.data[i * k + p]! * weightOf);
          moved += Math.abs(weightOf) * (scales[Math.floor((i * k + p) / 32)]! / 2);
        }
        // sums of whole numbers are exact: what is left are two scales a group and the sum over groups, in f32
        const f32 = (2 * groups + 4) * 2 ** -24 * size;
        expect(Math.abs(number - want.data[at]!)).toBeLessThanOrEqual(f32);
        expect(Math.abs(number - exact)).toBeLessThanOrEqual(moved * (1 + 1e-5) + f32);
      });
    }),
    runs(40),
  ));

test('a row is the same alone and among others', async () => {
  const weight = quantize(upload(new Random(8).array([7, 160])), { activations: true });
  const rows = new Random(9).array([20, 160]);
  const all = await linear(upload(rows), weight).read();
  for (const row of [0, 11, 19]) {
    const one = await linear(Tensor.from(Float32Array.from(rows.data.subarray(row * 160, (row + 1) * 160)), [1, 160]), weight).read();
    expect(distance(one, all.subarray(7 * row, 7 * row + 7))).toBeLessThan(1e-6);
  }
});

test('a row with a number that is not finite is NaN, and no other', async () => {
  const weight = quantize(upload(new Random(8).array([5, 64])), { activations: true });
  const x = Float32Array.from(new Random(9).array([3, 64]).data);
  [x[70], x[140]] = [NaN, Infinity];
  const y = await linear(Tensor.from(x, [3, 64]), weight).read();
  expect(Array.from(y, Number.isNaN)).toEqual([...new Array<boolean>(5).fill(false), ...new Array<boolean>(10).fill(true)]);
});

test('a weight says whether it rounds; what is made of it, too; the numbers are shared', async () => {
  const w = upload(new Random(1).array([4, 64]));
  const plain = quantize(w);
  const rounding = quantize(w, { activations: true });
  expect([plain.roundsActivations, rounding.roundsActivations, w.roundsActivations]).toEqual([false, true, false]);
  expect(await rounding.read()).toEqual(await plain.read());
  expect(rounding.bytes).toBe(plain.bytes);
  expect(quantize(rounding)).toBe(rounding);
  expect(quantize(plain, { activations: false })).toBe(plain);
  expect(rounding.view([2, 2, 64]).roundsActivations).toBe(true);
  expect(rounding.as('f32').roundsActivations).toBe(false);
  expect(w.view([256], true).roundsActivations).toBe(false);
  const other = quantize(rounding, { activations: false });
  expect([other.roundsActivations, other.handle]).toEqual([false, rounding.handle]);
  rounding.dispose();
  expect(await other.read()).toEqual(await plain.read());
});

test('x in 16 bits, parts, and tables of embeddings', async () => {
  const w = upload(new Random(5).array([6, 64]));
  const [plain, rounding] = [quantize(w), quantize(w, { activations: true })];
  const x = upload(new Random(6).array([3, 64])).as('bf16');
  const whole = linear(x, rounding);
  expect(await whole.read()).toEqual(await linear(x.as('f32'), rounding).read());
  expect(linear(x, rounding, undefined, { dtype: 'bf16' }).dtype).toBe('bf16');
  const [a, b] = linearSplit(x, rounding, [2, 4]);
  const rows = await whole.read();
  for (let row = 0; row < 3; row++)
    expect([...(await a!.read()).subarray(2 * row, 2 * row + 2), ...(await b!.read()).subarray(4 * row, 4 * row + 4)]).toEqual([
      ...rows.subarray(6 * row, 6 * row + 6),
    ]);
  const ids = upload(integers([5, 0, 5]));
  expect(await embedding(ids, rounding).read()).toEqual(await embedding(ids, plain).read());
});

test('nothing is rounded while a tape is open: values and gradients are those of a weight that does not round', async () => {
  const w = upload(new Random(3).array([8, 64]));
  const [plain, rounding] = [quantize(w), quantize(w, { activations: true })];
  const x = upload(new Random(4).array([5, 64]));
  const free = await linear(x, rounding).read();
  const run = (weight: Tensor, again = false): { value: Tensor; gradients: Tensor[] } => {
    const body = (): { y: Tensor } => ({ y: silu(linear(x, weight)) });
    return gradient(() => sum((again ? recomputed([x, weight], body) : body()).y), [x]);
  };
  const want = run(plain);
  for (const got of [run(rounding), run(rounding, true)]) {
    expect(await got.value.read()).toEqual(await want.value.read());
    expect(await got.gradients[0]!.read()).toEqual(await want.gradients[0]!.read());
  }
  let inside: Tensor | undefined;
  gradient(() => ((inside = unrecorded(() => linear(x, rounding))), sum(x)), [x]);
  const exact = await linear(x, plain).read();
  expect(await inside!.read()).toEqual(exact);
  expect(free).not.toEqual(exact);
  expect(await linear(x, rounding).read()).toEqual(free); // once no tape is open
});
