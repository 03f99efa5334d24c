// The reference figures in test/golden/hidden-attention: their numbers, their tolerances, and which of them were tested.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { loadModel, readSafetensors } from '@hidden-attention/checkpoint';
import type { Model } from '@hidden-attention/model';
import { expect } from 'vitest';

interface Figure {
  role: 'input' | 'expected';
  shape: number[];
  tolerance: { exact: true } | { atol: number; rtol: number };
}

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));
const figures = (JSON.parse(readFileSync(path('golden/hidden-attention/case.json'), 'utf8')) as { tensors: Record<string, Figure> })
  .tensors;
const numbers = new Map<string, number[]>();
const tested = new Set<string>();
await using file = await readSafetensors(path('golden/hidden-attention/golden.safetensors'));
for (const [name, tensor] of file.tensors) numbers.set(name, Array.from((await tensor.read()) as Iterable<number | bigint>, Number));

/** The model that the figures are of. */
export async function goldenModel(): Promise<Model> {
  return (await loadModel(path('../../model/test/golden/mamba1-lm'))).model;
}

/** A figure's numbers, row-major. */
export function golden(name: string): number[] {
  const found = numbers.get(name);
  if (!found) throw new Error(`no figure ${name}`);
  return found;
}

/** An input of the figures. */
export function goldenInput(name: string): number[] {
  tested.add(name);
  return golden(name);
}

export function shapeOf(name: string): number[] {
  return figures[name]!.shape;
}

/** Every number within the figure's own tolerance. */
export function expectGolden(actual: ArrayLike<number>, name: string): void {
  const { tolerance } = figures[name]!;
  const [atol, rtol] = 'exact' in tolerance ? [0, 0] : [tolerance.atol, tolerance.rtol];
  const expected = golden(name);
  expect(actual.length, `${name}: count`).toBe(expected.length);
  let worst = 0;
  let at = 0;
  for (let i = 0; i < expected.length; i++) {
    const share = actual[i] === expected[i] ? 0 : Math.abs(actual[i]! - expected[i]!) / (atol + rtol * Math.abs(expected[i]!));
    if (!(share <= worst)) [worst, at] = [share, i];
  }
  tested.add(name);
  if (process.env.SHOW_GOLDEN) console.log(name, `${(100 * worst).toFixed(1)} % of tolerance`);
  expect(worst, `${name}[${at}]: ${actual[at]} where ${expected[at]} is expected; share of the tolerance`).toBeLessThanOrEqual(1);
}

/** Names of figures that no test looked at. */
export function untested(): string[] {
  return Object.keys(figures).filter((name) => !tested.has(name));
}
