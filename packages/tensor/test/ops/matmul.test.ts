import fc from 'fast-check';
import { expect, test } from 'vitest';
import { add, cast, gradient, linear, linearSplit, matmul, multiply, quantize, ShapeError, split, sum, Tensor } from '../../src/index.js';
import { expectGradients } from '../gradients.js';
import * as reference from '../reference/matrix.js';
import { array, download, expectClose, Random, runs, upload } from '../support.js';

const size = fc.integer({ min: 1, max: 19 });

test('matmul, either side stored either way: values and gradients', () =>
  fc.assert(
    fc.asyncProperty(size, size, size, fc.boolean(), fc.boolean(), fc.integer(), async (m, n, k, transposeA, transposeB, seed) => {
      const random = new Random(seed);
      await expectGradients({
        inputs: { a: random.array(transposeA ? [k, m] : [m, k]), b: random.array(transposeB ? [n, k] : [k, n]) },
        op: ({ a, b }) => [matmul(a!, b!, { transposeA, transposeB })],
        reference: ({ a, b }) => [reference.matmul(transposeA ? reference.flipped(a!) : a!, transposeB ? reference.flipped(b!) : b!)],
      });
    }),
    runs(20),
  ));

test('products larger than any block of the kernel', async () => {
  const random = new Random(11);
  const [a, b] = [random.array([131, 517]), random.array([517, 203])];
  const expected = reference.matmul(a, b);
  expectClose(await download(matmul(upload(a), upload(b))), expected, 1e-6);
  expectClose(
    await download(matmul(upload(reference.flipped(a)), upload(reference.flipped(b)), { transposeA: true, transposeB: true })),
    expected,
    1e-6,
  );
});

test('linear: values and gradients, any leading axes', () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 3 }),
      size,
      size,
      fc.boolean(),
      fc.integer(),
      async (leading, k, n, bias, seed) => {
        const random = new Random(seed);
        await expectGradients({
          inputs: { x: random.array([...leading, k]), weight: random.array([n, k]), bias: bias ? random.array([n]) : undefined },
          op: ({ x, weight, bias }) => [linear(x!, weight!, bias)],
          reference: ({ x, weight, bias }) => {
            const product = reference.matmul({ shape: [x!.data.length / k, k], data: x!.data }, reference.flipped(weight!));
            return [array([...leading, n], (i) => product.data[i]! + (bias?.data[i % n] ?? 0))];
          },
        });
      },
    ),
    runs(15),
  ));

test('linearSplit = the parts of linear, and so are its gradients, also where a part is not used', () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(size, { minLength: 1, maxLength: 3 }),
      size,
      size,
      fc.boolean(),
      fc.nat(2),
      fc.integer(),
      async (sizes, rows, k, bias, unused, seed) => {
        const random = new Random(seed);
        const n = sizes.reduce((a, b) => a + b);
        const x = upload(random.array([rows, k]));
        const [weight, own] = [upload(random.array([n, k])), bias ? upload(random.array([n])) : undefined];
        const weights = sizes.map((count) => upload(random.array([rows, count])));
        const score = (parts: Tensor[]): Tensor =>
          parts
            .map((part, i) => sum(multiply(part, weights[i]!)))
            .filter((_, i) => sizes.length === 1 || i !== unused)
            .reduce((a, b) => add(a, b));
        const inputs = [x, weight, ...(own ? [own] : [])];
        const apart = gradient(() => score(split(linear(x, weight, own), sizes)), inputs);
        const direct = gradient(() => score(linearSplit(x, weight, sizes, own)), inputs);
        expectClose(await download(direct.value), await download(apart.value), 1e-5);
        for (const [i, each] of direct.gradients.entries()) expectClose(await download(each), await download(apart.gradients[i]!), 1e-5);
      },
    ),
    runs(25),
  ));

test('linearSplit of weights in 16 and in 8 bits, and sizes that do not add up', async () => {
  const random = new Random(3);
  const [x, weight] = [upload(random.array([5, 64])), upload(random.array([48, 64]))];
  for (const narrow of [cast(weight, 'bf16'), quantize(weight)]) {
    const [parts, expected] = [linearSplit(x, narrow, [32, 16]), split(linear(x, narrow), [32, 16])];
    for (const [i, part] of parts.entries()) expect(await part.read()).toEqual(await expected[i]!.read());
  }
  expect(() => linearSplit(x, weight, [32, 17])).toThrow('linearSplit: sizes (32, 17) must add up to the rows of weight (48, 64)');
});

test('inner sizes that differ', () => {
  expect(() => matmul(Tensor.full([2, 3], 0), Tensor.full([2, 3], 0))).toThrow(
    new ShapeError('matmul: b is (2, 3); axis 0 is "k", which a (2, 3) sets to 3'),
  );
  expect(() => linear(Tensor.full([4, 2, 3], 0), Tensor.full([5, 4], 0))).toThrow(
    'linear: weight is (5, 4); axis 1 is "k", which x (4, 2, 3) sets to 3',
  );
});
