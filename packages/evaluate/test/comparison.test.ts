// The comparison of Mamba, Mamba-2 and a transformer: that it is fair, and that its figures come out again on the models that are kept.
import { readFileSync, statSync } from 'node:fs';
import { createModel } from '@hidden-attention/model';
import { expect, test } from 'vitest';
import { keptFolder, kinds, recipeOf, seeds, tasks } from '../recipes/comparison/comparison.mjs';
import { figureNames, interval, measureExcerpt } from '../recipes/comparison/measure.mjs';
import { rendered } from '../recipes/comparison/render.mjs';

type Figures = Record<string, number>;
interface Measured {
  parameters: number;
  accuracy: number;
  matrices: number;
  layers: Figures[];
  smoothing: number[];
}
type Excerpt = Record<string, Record<string, Measured>>;
const file = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8');

test.each(tasks)('%s: the three differ in the model alone, and have as many parameters within five in a hundred', (task) => {
  const counts = kinds.map((kind) => {
    const { model: own, ...rest } = recipeOf(task, kind, 1);
    const { model: _, ...first } = recipeOf(task, 'mamba', 1);
    expect(rest).toEqual(first);
    const model = createModel(own as Record<string, unknown>);
    expect(model.config.layers).toBe(4);
    return model.parameterCount;
  });
  expect(Math.max(...counts) / Math.min(...counts)).toBeLessThan(1.05);
});

test('interval of three numbers: mean and 4.303 standard errors', () => {
  const { mean, low, high } = interval([1, 2, 3]);
  expect(mean).toBe(2);
  expect(high - mean).toBeCloseTo(4.303 / Math.sqrt(3), 6);
  expect(mean - low).toBeCloseTo(high - mean, 9);
});

test('measured again on the models and inputs that are kept, the figures are those that are said', async () => {
  const said = JSON.parse(file('../recipes/comparison/excerpt.json')) as Excerpt;
  const again = (await measureExcerpt()) as Excerpt;
  for (const task of tasks)
    for (const kind of kinds) {
      const [own, known] = [again[task]![kind]!, said[task]![kind]!];
      const where = `${task} ${kind}`;
      expect(statSync(`${keptFolder}/${task}-${kind}/model.safetensors`).size, where).toBeLessThan(300_000);
      expect([own.parameters, own.matrices, own.layers.length], where).toEqual([known.parameters, known.matrices, known.layers.length]);
      expect(own.accuracy, where).toBeCloseTo(known.accuracy, 4);
      for (const [k, layer] of own.layers.entries())
        for (const name of figureNames)
          expect(Math.abs(layer[name]! - known.layers[k]![name]!), `${where}, layer ${k}, ${name}`).toBeLessThan(
            1e-4 * Math.max(1, Math.abs(known.layers[k]![name]!)),
          );
      for (const [k, value] of own.smoothing.entries())
        expect(Math.abs(value - known.smoothing[k]!), `${where}, depth ${k}`).toBeLessThan(1e-4);
    }
});

test('the page shows the figures that were measured, of three seeds and 200 held-out inputs', async () => {
  const report = JSON.parse(file('../recipes/comparison/comparison.json')) as Record<string, { lookedAt: number }>;
  expect(seeds).toHaveLength(3);
  for (const task of tasks) expect(report[task]!.lookedAt).toBeGreaterThanOrEqual(200);
  const page = file('../../../docs/evaluate/comparison.md');
  expect(await rendered(page, report)).toBe(page);
});
