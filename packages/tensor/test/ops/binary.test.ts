import fc from 'fast-check';
import { expect, test } from 'vitest';
import { add, divide, gradient, multiply, ShapeError, subtract, Tensor } from '../../src/index.js';
import { expectGradients } from '../gradients.js';
import { array, Random, runs } from '../support.js';

const functions: [string, (a: Tensor, b: Tensor) => Tensor, (a: number, b: number) => number][] = [
  ['add', add, (a, b) => a + b],
  ['subtract', subtract, (a, b) => a - b],
  ['multiply', multiply, (a, b) => a * b],
  ['divide', divide, (a, b) => a / b],
];

/** Shapes of b beside a (p q r), and the number of b that meets number i of a. */
const spreads: Record<string, (p: number, q: number, r: number) => { shape: number[]; index: (i: number) => number }> = {
  'the same shape': (p, q, r) => ({ shape: [p, q, r], index: (i) => i }),
  'the last axes': (_, q, r) => ({ shape: [q, r], index: (i) => i % (q * r) }),
  'the last axis': (_p, _q, r) => ({ shape: [r], index: (i) => i % r }),
  'one number': () => ({ shape: [1], index: () => 0 }),
  'one number a row': (p, q, r) => ({ shape: [p, q, 1], index: (i) => Math.floor(i / r) }),
};

test.each(functions)('%s: values and gradients, however b is spread', async (_, op, f) => {
  const size = fc.integer({ min: 1, max: 6 });
  await fc.assert(
    fc.asyncProperty(size, size, size, fc.constantFrom(...Object.keys(spreads)), fc.integer(), async (p, q, r, spread, seed) => {
      const { shape, index } = spreads[spread]!(p, q, r);
      const random = new Random(seed);
      await expectGradients({
        inputs: { a: random.array([p, q, r]), b: random.array(shape, 0.5, 2) },
        op: ({ a, b }) => [op(a!, b!)],
        reference: ({ a, b }) => [array(a!.shape, (i) => f(a!.data[i]!, b!.data[index(i)]!))],
      });
    }),
    runs(15),
  );
});

test('an operand may be both sides', async () => {
  const x = Tensor.from(Float32Array.of(3, -2));
  const { value, gradients } = gradient(() => multiply(x, x), [x]);
  expect([...(await value.read())]).toEqual([9, 4]);
  expect([...(await gradients[0]!.read())]).toEqual([6, -4]);
});

test('shapes that do not fit name both and say what would', () => {
  const call = (): Tensor => add(Tensor.full([2, 3], 0), Tensor.full([2], 0));
  expect(call).toThrow(ShapeError);
  expect(call).toThrow("add: b is (2); beside a (2, 3) it must have a's shape or its last axes, be one number, or be (2, 1)");
});
