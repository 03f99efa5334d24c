// Checks an op against its float64 definition: its values, and its gradients against central finite differences of it.
import { expect } from 'vitest';
import { add, gradient, multiply, sum, type RuleSet, type Tensor } from '../src/index.js';
import { array, download, expectClose, Random, upload, type HostArray } from './support.js';

/** An op as it is tested. Inputs that are undefined are left out. */
export interface Case {
  inputs: Record<string, HostArray | undefined>;
  /** f32 inputs without a gradient */
  constants?: string[];
  op: (tensors: Record<string, Tensor>) => Tensor[];
  /** the same in float64 */
  reference: (arrays: Record<string, HostArray>) => HostArray[];
  /** largest relative distance of the values */
  within?: number;
  rules?: RuleSet;
  /** what the gradients under `rules` are the gradients of; `reference` by default */
  held?: (arrays: Record<string, HostArray>) => HostArray[];
}

/** Largest relative distance of a gradient: it bounds the error of its direction and of its size. */
const gradientTolerance = 1e-3;

/** Values `within` of the reference, gradients of a random weighting of all outputs within 1e-3 in direction and size. */
export async function expectGradients({
  inputs,
  constants = [],
  op,
  reference,
  within = 1e-5,
  rules = {},
  held = reference,
}: Case): Promise<void> {
  const given = Object.fromEntries(Object.entries(inputs).filter((entry): entry is [string, HostArray] => entry[1] !== undefined));
  const expected = reference(given);
  const random = new Random(7);
  const weights = expected.map(({ shape }) => random.array(shape));
  const tensors = Object.fromEntries(Object.entries(given).map(([name, value]) => [name, upload(value)]));
  const names = Object.keys(given).filter((name) => !constants.includes(name) && given[name]!.data instanceof Float64Array);

  let outputs: Tensor[] = [];
  const { gradients } = gradient(
    () => {
      outputs = op(tensors);
      return outputs.map((output, i) => sum(multiply(output, upload(weights[i]!)))).reduce(add);
    },
    names.map((name) => tensors[name]!),
    { rules },
  );
  expect(outputs.length).toBe(expected.length);
  for (const [i, output] of outputs.entries()) expectClose(await download(output), expected[i]!, within, `output ${i}`);

  const loss = (arrays: Record<string, HostArray>): number =>
    held(arrays).reduce(
      (total, { data }, k) => Float64Array.from(data).reduce((part, value, i) => part + value * weights[k]!.data[i]!, total),
      0,
    );
  for (const [i, name] of names.entries()) {
    expectClose(await download(gradients[i]!), finiteDifferences(loss, given, name), gradientTolerance, `gradient of ${name}`);
  }
}

/** (f(x + h) − f(x − h)) / 2h for every number of one array. */
function finiteDifferences(f: (arrays: Record<string, HostArray>) => number, arrays: Record<string, HostArray>, name: string): HostArray {
  const { shape, data } = arrays[name]!;
  const moved = (index: number, by: number): number => {
    const copy = Float64Array.from(data);
    copy[index]! += by;
    return f({ ...arrays, [name]: { shape, data: copy } });
  };
  return array(shape, (i) => {
    const h = 1e-5 * Math.max(1, Math.abs(data[i]!));
    return (moved(i, h) - moved(i, -h)) / (2 * h);
  });
}
