// Rounding to 8 bits in groups of 32 along the last axis, and a linear layer of numbers rounded so, from their definition.
import { array, type HostArray } from '../support.js';
import { flipped, matmul } from './matrix.js';

const groupSize = 32;

/** max|x|/127 of each group, in f32. */
export function groupScales({ data }: HostArray): Float64Array {
  return Float64Array.from({ length: data.length / groupSize }, (_, group) => {
    const own = data.subarray(group * groupSize, (group + 1) * groupSize);
    return Math.fround(Math.fround(own.reduce((most: number, x: number) => Math.max(most, Math.abs(x)), 0)) / Math.fround(127));
  });
}

/** Each number the nearest whole multiple of its group's scale, halves away from zero. */
export function roundedInGroups(x: HostArray): HostArray {
  const scales = groupScales(x);
  return array(x.shape, (i) => {
    const scale = scales[Math.floor(i / groupSize)]!;
    const steps = scale === 0 ? 0 : Math.fround(x.data[i]! * Math.fround(1 / scale)); // in f32, as ggml rounds
    return Math.sign(steps) * Math.floor(Math.abs(steps) + 0.5) * scale;
  });
}

/** x (m k), rounded, times the rows of a weight (n k), plus bias (n): (m n). */
export function roundedLinear(x: HostArray, weight: HostArray, bias?: HostArray): HostArray {
  const y = matmul(roundedInGroups(x), flipped(weight));
  return array(y.shape, (i) => y.data[i]! + (bias ? bias.data[i % y.shape[1]!]! : 0));
}
