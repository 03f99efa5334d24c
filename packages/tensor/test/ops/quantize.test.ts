import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  add,
  affine,
  embedding,
  gradient,
  groupSize,
  linear,
  linearSplit,
  matmul,
  openDevice,
  quantize,
  scope,
  sum,
  Tensor,
} from '../../src/index.js';
import { expectGradients } from '../gradients.js';
import { array, distance, download, integers, Random, runs, upload, type HostArray } from '../support.js';

/** max|x|/127 of each group, from the definition. */
function scalesOf({ data }: HostArray): Float64Array {
  const most = (group: number): number =>
    data.subarray(group * groupSize, (group + 1) * groupSize).reduce((size, x) => Math.max(size, Math.abs(x)), 0);
  return Float64Array.from({ length: data.length / groupSize }, (_, group) => most(group) / 127);
}

/** Rows, and groups in each. */
const sizes = fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 5 }));

test('no number moves by more than half its scale, and rounding again changes nothing', () =>
  fc.assert(
    fc.asyncProperty(sizes, fc.integer({ min: -20, max: 20 }), fc.integer(), async ([n, groups], power, seed) => {
      const shape = [n, groups * groupSize];
      const x = new Random(seed).array(shape, -(2 ** power), 2 ** power);
      const y = quantize(upload(x));
      expect([y.dtype, y.shape, y.bytes]).toEqual(['i8', shape, x.data.length * (1 + 4 / groupSize)]);
      const numbers = await y.read();
      const scales = scalesOf(x);
      numbers.forEach((number, i) =>
        expect(Math.abs(number - x.data[i]!)).toBeLessThanOrEqual(scales[Math.floor(i / groupSize)]! * (0.5 + 1e-4)),
      );
      expect(await quantize(Tensor.from(numbers, shape)).read()).toEqual(numbers);
      expect(await y.as('bf16').read()).toEqual(await Tensor.from(numbers, shape).as('bf16').read());
    }),
    runs(25),
  ));

test('linear: a sum moves by Σ|x|·scale/2 at most', () =>
  fc.assert(
    fc.asyncProperty(sizes, fc.integer({ min: 1, max: 20 }), fc.boolean(), fc.integer(), async ([n, groups], rows, biased, seed) => {
      const k = groups * groupSize;
      const random = new Random(seed);
      const [x, weight, bias] = [random.array([1, rows, k]), random.array([n, k]), random.array([n])];
      const w = upload(weight);
      const y = linear(upload(x), quantize(w), biased ? upload(bias) : undefined);
      const exact = linear(upload(x), w, biased ? upload(bias) : undefined);
      expect([y.dtype, y.shape]).toEqual(['f32', [1, rows, n]]);
      const [got, want, scales] = [await y.read(), await exact.read(), scalesOf(weight)];
      got.forEach((number, at) => {
        const [i, j] = [Math.floor(at / n), at % n];
        let bound = 0;
        for (let p = 0; p < k; p++) bound += (Math.abs(x.data[i * k + p]!) * scales[Math.floor((j * k + p) / groupSize)]!) / 2;
        expect(Math.abs(number - want[at]!)).toBeLessThanOrEqual(bound + 1e-5);
      });
    }),
    runs(25),
  ));

test('linear: values and gradients of x and bias are those of the numbers that the weight holds', async () => {
  const [n, k] = [5, 96];
  const weight = quantize(upload(new Random(3).array([n, k])));
  const { data: w } = await download(weight);
  const random = new Random(4);
  await expectGradients({
    inputs: { x: random.array([2, 3, k]), bias: random.array([n]) },
    op: ({ x, bias }) => [linear(x!, weight, bias!)],
    reference: ({ x, bias }) => [
      array([2, 3, n], (at) => {
        const [i, j] = [Math.floor(at / n), at % n];
        let total = bias!.data[j]!;
        for (let p = 0; p < k; p++) total += x!.data[i * k + p]! * w[j * k + p]!;
        return total;
      }),
    ],
  });
});

test('linearSplit: parts and their gradients are those of the numbers that the weight holds', async () => {
  const [x, bias] = [upload(new Random(4).array([2, 11, 64])), upload(new Random(5).array([6]))];
  const weight = quantize(upload(new Random(3).array([6, 64])));
  const run = (own: Tensor): { value: Tensor; gradients: Tensor[] } =>
    gradient(() => {
      const [a, b] = linearSplit(x, own, [2, 4], bias) as [Tensor, Tensor];
      return add(sum(a), affine(sum(b), 3));
    }, [x, bias]);
  const [got, want] = [run(weight), run(weight.as('f32'))];
  expect(await got.value.item()).toBeCloseTo(await want.value.item(), 3);
  for (const [i, tensor] of got.gradients.entries())
    expect(distance(await tensor.read(), await want.gradients[i]!.read())).toBeLessThan(1e-5);
});

test('linear: x in 16 bits gives f32, or what is asked for; its gradient has its type', async () => {
  const weight = quantize(upload(new Random(5).array([4, 64])));
  const x = upload(new Random(6).array([3, 64])).as('bf16');
  const { value, gradients } = gradient(() => linear(x, weight), [x]);
  expect([value.dtype, gradients[0]!.dtype]).toEqual(['f32', 'bf16']);
  expect(await value.read()).toEqual(await linear(x.as('f32'), weight).read());
  expect(linear(x, weight, undefined, { dtype: 'bf16' }).dtype).toBe('bf16');
});

test('linear: a row is the same alone and among others, within f32', async () => {
  const weight = quantize(upload(new Random(8).array([7, 160])));
  const rows = new Random(9).array([20, 160]);
  const all = await linear(upload(rows), weight).read();
  const one = await linear(Tensor.from(Float32Array.from(rows.data.subarray(11 * 160, 12 * 160)), [1, 160]), weight).read();
  expect(distance(one, all.subarray(77, 84))).toBeLessThan(1e-6); // sums have another order with many rows
});

test('embedding reads rows of a table in int8', async () => {
  const table = quantize(upload(new Random(1).array([6, 64])));
  const numbers = await table.read();
  const ids = integers([5, 0, 5, 2], [2, 2]);
  const y = embedding(upload(ids), table);
  expect([y.dtype, y.shape]).toEqual(['f32', [2, 2, 64]]);
  expect(Array.from(await y.read())).toEqual([5, 0, 5, 2].flatMap((id) => Array.from(numbers.subarray(64 * id, 64 * (id + 1)))));
  await expect(embedding(Tensor.from(Int32Array.of(6)), table).read()).rejects.toThrow('id 6 at position 0 is not in 0…5');
});

test('fromGroups takes over whole numbers and scales as files have them', async () => {
  const numbers = Int8Array.from({ length: 64 }, (_, i) => (i === 40 ? -128 : i - 32));
  const tensor = Tensor.fromGroups(numbers, Float32Array.of(0.5, 0.25), [2, 32]);
  expect(Array.from(await tensor.read())).toEqual(Array.from(numbers, (q, i) => q * (i < 32 ? 0.5 : 0.25)));
  expect(await tensor.view([64]).read()).toEqual(await tensor.read());
  expect(() => Tensor.fromGroups(numbers, Float32Array.of(1), [2, 32])).toThrow(
    '(2, 32) needs 64 numbers and 2 scales; 64 and 1 were given',
  );
  expect(() => Tensor.fromGroups(numbers, Float32Array.of(1, 1), [4, 16])).toThrow('(4, 16) cannot be held in int8');
  expect(() => tensor.view([4, 16])).toThrow('its last axis must be a multiple of 32');
});

test('what it does not do, it refuses', async () => {
  const w = upload(new Random(2).array([4, 64]));
  const weight = quantize(w);
  const x = upload(new Random(3).array([2, 64]));
  expect(quantize(weight)).toBe(weight);
  expect(() => quantize(Tensor.full([4, 48], 1))).toThrow('quantize: x is (4, 48); its last axis must be a multiple of 32');
  expect(() => gradient(() => sum(linear(x, weight)), [x, weight])).toThrow(
    'gradient: a tensor (4, 64), weight of linear, is in int8 and has none; hold it in f32, bf16 or f16',
  );
  expect(() => gradient(() => sum(linear(x, quantize(w))), [w])).toThrow('weight of linear, is in int8');
  expect(() => add(weight, weight)).toThrow('is i8; f32, bf16 or f16 is needed');
  expect(() => matmul(x, weight, { transposeB: true })).toThrow('b is i8');
  expect(() => x.scales).toThrow('a tensor of f32 has no scales');
  // others' gradients pass
  const { gradients } = gradient(() => sum(linear(affine(x, 2), weight)), [x]);
  expect(gradients[0]!.shape).toEqual([2, 64]);
});

test('its scales are freed with it, when the last view is', async () => {
  const device = openDevice();
  const x = upload(new Random(3).array([4, 64]));
  await device.finish();
  const { live } = device.memory();
  const weight = quantize(x);
  const view = weight.view([256]);
  weight.dispose();
  expect(device.memory().live).toBeGreaterThan(live);
  await view.read();
  view.dispose();
  scope(() => void quantize(x));
  await device.finish();
  expect(device.memory().live).toBe(live);
});
