// A folder of reference figures: their numbers, their tolerances, and which of them were tested.
import { readFileSync } from 'node:fs';
import { readSafetensors } from '@hidden-attention/checkpoint';
import { expect } from 'vitest';

interface Figure {
  role: 'input' | 'expected';
  shape: number[];
  tolerance: { exact: true } | { atol: number; rtol: number };
}

export interface GoldenFigures {
  /** a figure's numbers, row-major */
  golden(name: string): number[];
  shapeOf(name: string): number[];
  /** an input of the figures */
  goldenInput(name: string): number[];
  /** every number within the figure's own tolerance */
  expectGolden(actual: ArrayLike<number>, name: string): void;
  /** names of figures that no test looked at */
  untested(): string[];
}

/** @param folder with case.json and golden.safetensors, and a slash at its end */
export async function goldenFigures(folder: string): Promise<GoldenFigures> {
  const figures = (JSON.parse(readFileSync(`${folder}case.json`, 'utf8')) as { tensors: Record<string, Figure> }).tensors;
  const numbers = new Map<string, number[]>();
  const tested = new Set<string>();
  await using file = await readSafetensors(`${folder}golden.safetensors`);
  for (const [name, tensor] of file.tensors) numbers.set(name, Array.from((await tensor.read()) as Iterable<number | bigint>, Number));

  const golden = (name: string): number[] => {
    const found = numbers.get(name);
    if (!found) throw new Error(`no figure ${name}`);
    return found;
  };
  return {
    golden,
    shapeOf: (name) => figures[name]!.shape,
    goldenInput(name) {
      tested.add(name);
      return golden(name);
    },
    expectGolden(actual, name) {
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
    },
    untested: () => Object.keys(figures).filter((name) => !tested.has(name)),
  };
}
