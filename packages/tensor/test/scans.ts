// Random inputs of the selective scan, for fast-check.
import fc from 'fast-check';
import { integers, Random, type HostArray } from './support.js';

/** Sizes of a scan, and which of its optional operands it has. */
export interface ScanShape {
  batch: number;
  length: number;
  perGroup: number;
  state: number;
  groups: number;
  D: boolean;
  deltaBias: boolean;
  z: boolean;
  initialState: boolean;
  lengths: number[] | undefined;
  seed: number;
}

/** Shapes up to `maxLength` positions. */
export function scanShapes(maxLength: number): fc.Arbitrary<ScanShape> {
  return fc.record({
    batch: fc.integer({ min: 1, max: 2 }),
    length: fc.integer({ min: 1, max: maxLength }),
    perGroup: fc.integer({ min: 1, max: 9 }),
    state: fc.constantFrom(1, 2, 3, 5, 8, 16),
    groups: fc.integer({ min: 1, max: 3 }),
    D: fc.boolean(),
    deltaBias: fc.boolean(),
    z: fc.boolean(),
    initialState: fc.boolean(),
    lengths: fc.option(fc.array(fc.nat(maxLength), { minLength: 2, maxLength: 2 }), { nil: undefined }),
    seed: fc.integer(),
  });
}

/** u, delta (positive), A (negative), B, C and the optional operands of a shape. */
export function scanInputs(shape: ScanShape): Record<string, HostArray | undefined> {
  const { batch, length, perGroup, state, groups, lengths } = shape;
  const random = new Random(shape.seed);
  const d = perGroup * groups;
  return {
    u: random.array([batch, length, d]),
    delta: random.array([batch, length, d], 0.02, 0.8),
    A: random.array([d, state], -2, -0.1),
    B: random.array([batch, length, groups, state]),
    C: random.array([batch, length, groups, state]),
    D: shape.D ? random.array([d]) : undefined,
    deltaBias: shape.deltaBias ? random.array([d], 0, 0.2) : undefined,
    z: shape.z ? random.array([batch, length, d], -3, 3) : undefined,
    initialState: shape.initialState ? random.array([batch, d, state]) : undefined,
    lengths: lengths && integers(lengths.slice(0, batch).map((n) => Math.min(n, length))),
  };
}
