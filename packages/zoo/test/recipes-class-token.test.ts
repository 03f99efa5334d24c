// The part of the class-token experiment (figure 2 of Ali, Zimerman, Wolf 2024) that is kept: trained models, twenty test images, and the figures.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { excerptImages, measure, ownModels, places, spearman } from '../recipes/class-token/measure.mjs';

interface Layer {
  spearman: number;
  nearestQuarter: number;
}
type Report = Record<string, { trained: Layer[]; untrained: Layer[] }>;
const kept = JSON.parse(readFileSync(new URL('../recipes/class-token/excerpt.json', import.meta.url), 'utf8')) as Report;

test('rank correlation, equal values sharing a rank', () => {
  expect(spearman([1, 2, 3, 4], [10, 20, 30, 40])).toBeCloseTo(1, 12);
  expect(spearman([1, 2, 3, 4], [4, 3, 2, 1])).toBeCloseTo(-1, 12);
  expect(spearman([1, 2, 2, 3], [1, 2, 3, 4])).toBeCloseTo(4.5 / Math.sqrt(4.5 * 5), 12);
});

test('measured again, patches near the class token weigh as much more as is said', async () => {
  const again = (await measure(ownModels, excerptImages)) as Report;
  expect(Object.keys(kept)).toEqual(places);
  for (const place of places)
    for (const kind of ['trained', 'untrained'] as const) {
      expect(again[place]![kind]).toHaveLength(kept[place]![kind].length);
      again[place]![kind].forEach((layer, k) => {
        const said = kept[place]![kind][k]!;
        expect(Math.abs(layer.spearman - said.spearman), `${place} ${kind} layer ${k}`).toBeLessThan(1e-4);
        expect(Math.abs(layer.nearestQuarter - said.nearestQuarter), `${place} ${kind} layer ${k}`).toBeLessThan(1e-4);
      });
    }
});
