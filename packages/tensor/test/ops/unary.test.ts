import fc from 'fast-check';
import { expect, test } from 'vitest';
import { abs, affine, exp, gelu, gradient, log, negExp, positive, sigmoid, silu, softplus, square, Tensor } from '../../src/index.js';
import { expectGradients } from '../gradients.js';
import * as reference from '../reference/elementwise.js';
import { array, Random, runs } from '../support.js';

const functions: [string, (x: Tensor) => Tensor, (x: number) => number][] = [
  ['silu', silu, reference.silu],
  ['softplus', softplus, reference.softplus],
  ['sigmoid', sigmoid, reference.sigmoid],
  ['exp', exp, Math.exp],
  ['negExp', negExp, (x) => -Math.exp(x)],
  ['positive', positive, (x) => Math.max(x, 0)],
  ['abs', abs, Math.abs],
  ['affine', (x) => affine(x, -2.5, 0.75), (x) => -2.5 * x + 0.75],
  ['square', square, (x) => x * x],
  ['gelu', gelu, reference.gelu],
  ['gelu, tanh form', (x) => gelu(x, 'tanh'), reference.geluTanh],
  ['log', (x) => log(square(x)), (x) => Math.log(x * x)],
];

test.each(functions)('%s: values and gradient', async (_, op, f) => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 3 }), fc.integer(), async (shape, seed) => {
      const random = new Random(seed);
      // not at 0, where |x| and max(x, 0) have a corner and the logarithm none
      const x = array(shape, () => random.between(0.05, 4) * (random.next() < 0.5 ? -1 : 1));
      await expectGradients({ inputs: { x }, op: ({ x }) => [op(x!)], reference: ({ x }) => [reference.map(x!, f)] });
    }),
    runs(8),
  );
});

test('silu, rule holdRatio: σ(x) counts as a constant', async () => {
  const x = new Random(3).array([3, 5], -4, 4);
  await expectGradients({
    inputs: { x },
    op: ({ x }) => [silu(x!)],
    reference: ({ x }) => [reference.map(x!, reference.silu)],
    rules: { silu: 'holdRatio' },
    held: (moved) => [reference.map(moved.x!, (value, i) => value * reference.sigmoid(x.data[i]!))],
  });
});

test.each([
  ['exact', 'gelu', (x: number): number => reference.normalDistribution(x)],
  ['tanh', 'geluTanh', (x: number): number => reference.geluTanh(x) / x],
] as const)('gelu %s, rule holdRatio: gelu(x)/x counts as a constant', async (form, name, ratio) => {
  const x = new Random(3).array([3, 5], -4, 4);
  await expectGradients({
    inputs: { x },
    op: ({ x }) => [gelu(x!, form)],
    reference: ({ x }) => [reference.map(x!, form === 'exact' ? reference.gelu : reference.geluTanh)],
    rules: { [name]: 'holdRatio' },
    held: (moved) => [reference.map(moved.x!, (value, i) => value * ratio(x.data[i]!))],
  });
});

test('the corners have gradient 0', async () => {
  const zero = Tensor.from(new Float32Array(1));
  for (const op of [abs, positive]) expect(await gradient(() => op(zero), [zero]).gradients[0]!.item()).toBe(0);
});
