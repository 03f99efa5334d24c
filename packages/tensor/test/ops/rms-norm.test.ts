import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { rmsNorm, ShapeError, Tensor, type RmsNormInputs } from '../../src/index.js';
import { expectGradients } from '../gradients.js';
import * as reference from '../reference/rms-norm.js';
import { Random, runs, type HostArray } from '../support.js';

const shapes = fc.record({
  leading: fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 2 }),
  slice: fc.integer({ min: 1, max: 19 }),
  groups: fc.integer({ min: 1, max: 4 }),
  weight: fc.boolean(),
  residual: fc.boolean(),
  gate: fc.constantFrom('none' as const, 'before' as const, 'after' as const),
  seed: fc.integer(),
});

describe.each([{}, { rmsNorm: 'holdScale' }])('rmsNorm under the rules %o', (rules) => {
  test('values and gradients', () =>
    fc.assert(
      fc.asyncProperty(shapes, async ({ leading, slice, groups, weight, residual, gate, seed }) => {
        const random = new Random(seed);
        const width = slice * groups;
        const shape = [...leading, width];
        const inputs = {
          x: random.array(shape),
          weight: weight ? random.array([width], 0.5, 1.5) : undefined,
          residual: residual ? random.array(shape) : undefined,
          z: gate === 'none' ? undefined : random.array(shape, -3, 3),
        };
        const options = { epsilon: 1e-2, groups, gate };
        const outputsOf = ({ y, residualOut }: { y: HostArray; residualOut: HostArray }): HostArray[] =>
          residual ? [y, residualOut] : [y];
        const { scales } = reference.rmsNorm(inputs as unknown as Record<string, HostArray>, options);
        await expectGradients({
          inputs,
          op: (tensors) => {
            const { y, residualOut } = rmsNorm(tensors as unknown as RmsNormInputs, options);
            return residualOut ? [y, residualOut] : [y];
          },
          reference: (arrays) => outputsOf(reference.rmsNorm(arrays, options)),
          rules,
          held: (arrays) => outputsOf(reference.rmsNorm(arrays, 'rmsNorm' in rules ? { ...options, scales } : options)),
        });
      }),
      runs(25),
    ));
});

test('settings that do not fit are refused', () => {
  const x = Tensor.full([2, 6], 1);
  expect(() => rmsNorm({ x }, { epsilon: 1e-5, groups: 4 })).toThrow(
    new ShapeError('rmsNorm: groups is 4; it must divide the last axis, which x sets to 6'),
  );
  expect(() => rmsNorm({ x }, { epsilon: 1e-5, gate: 'after' })).toThrow("gate is 'after' and z is missing");
  expect(() => rmsNorm({ x, z: x }, { epsilon: 1e-5 })).toThrow("gate is 'none' and z is given");
  expect(() => rmsNorm({ x, weight: Tensor.full([5], 1) }, { epsilon: 1e-5 })).toThrow(
    'rmsNorm: weight is (5); axis 0 is "d", which x (2, 6) sets to 6',
  );
});
