// What the tests of this package share: numbers on the host, random ones, and how near two results must be.
import { expect } from 'vitest';
import { distance } from '../../../test/numbers.js';
import { sizeOf, Tensor } from '../src/index.js';

export { distance };

/** An array on the host, row-major: float64, or whole numbers (ids, lengths). */
export interface HostArray {
  shape: readonly number[];
  data: Float64Array | Int32Array;
}

/** An array of float64 whose numbers are `fill(flat index)`. */
export function array(shape: readonly number[], fill: (index: number) => number = () => 0): HostArray {
  return { shape, data: Float64Array.from({ length: sizeOf(shape) }, (_, i) => fill(i)) };
}

/** An array of whole numbers. */
export function integers(values: readonly number[], shape: readonly number[] = [values.length]): HostArray {
  return { shape, data: Int32Array.from(values) };
}

/** A copy on the device: f32, or i32 for whole numbers. */
export function upload({ shape, data }: HostArray): Tensor {
  return data instanceof Int32Array ? Tensor.from(data, shape) : Tensor.from(Float32Array.from(data), shape);
}

/** The numbers of a tensor as float64. */
export async function download(tensor: Tensor): Promise<HostArray> {
  return { shape: tensor.shape, data: Float64Array.from(await tensor.read()) };
}

/** Random arrays, the same for the same seed; every number is one that f32 holds exactly. */
export class Random {
  #state: number;
  constructor(seed: number) {
    this.#state = (seed ^ 0x9e3779b9) >>> 0 || 1;
    for (let i = 0; i < 8; i++) this.next();
  }
  /** in [0, 1) */
  next(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x >>> 0;
    return this.#state / 2 ** 32;
  }
  /** in [low, high) */
  between(low: number, high: number): number {
    return Math.fround(low + (high - low) * this.next());
  }
  array(shape: readonly number[], low = -1, high = 1): HostArray {
    return array(shape, () => this.between(low, high));
  }
}

/** That two arrays have one shape and are `within` of each other, relative to their size. */
export function expectClose(actual: HostArray, expected: HostArray, within = 1e-5, what = 'the result'): void {
  expect(actual.shape, `${what}: shape`).toEqual(expected.shape);
  expect(distance(actual.data, expected.data), `${what}: relative distance`).toBeLessThanOrEqual(within);
}

/** Settings of the property tests: the same cases every time. */
export const runs = (numRuns: number): { numRuns: number; seed: number } => ({ numRuns, seed: 20250714 });
