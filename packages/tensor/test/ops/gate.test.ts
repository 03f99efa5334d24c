import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { gate, ShapeError, Tensor } from '../../src/index.js';
import { expectGradients, type Case } from '../gradients.js';
import { sigmoid, silu } from '../reference/elementwise.js';
import { array, Random, runs, type HostArray } from '../support.js';

/** Number by number: Σ over the parts of f(x, z) with x and z as given or as moved. */
const gated =
  (f: (x: number, z: number, i: number) => number) =>
  ({ x, z }: Record<string, HostArray>): HostArray[] => [array(x!.shape, (i) => f(x!.data[i]!, z!.data[i]!, i))];

describe('gate', () => {
  const property = (held: (x0: HostArray, z0: HostArray) => Pick<Case, 'rules' | 'held'>): Promise<void> =>
    fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 33 }), fc.integer(), async (rows, columns, seed) => {
        const random = new Random(seed);
        const [x, z] = [random.array([rows, columns]), random.array([rows, columns], -4, 4)];
        await expectGradients({
          inputs: { x, z },
          op: (t) => [gate({ x: t.x!, z: t.z! })],
          reference: gated((a, b) => a * silu(b)),
          ...held(x, z),
        });
      }),
      runs(10),
    );

  test('values and gradients', () => property(() => ({})));
  test('rule hold: SiLU(z) counts as a constant, z gets nothing', () =>
    property((_, z) => ({ rules: { gate: 'hold' }, held: gated((a, _b, i) => a * silu(z.data[i]!)) })));
  test('rule half: each factor gets half, with σ(z) held', () =>
    property((x, z) => ({
      rules: { gate: 'half' },
      held: gated((a, b, i) => 0.5 * a * silu(z.data[i]!) + 0.5 * x.data[i]! * b * sigmoid(z.data[i]!)),
    })));
  test('shapes that differ', () => {
    expect(() => gate({ x: Tensor.full([2, 3], 0), z: Tensor.full([3], 0) })).toThrow(
      new ShapeError('gate: z is (3); its leading axes must be (2, 3), as x (2, 3) has them'),
    );
  });
});
