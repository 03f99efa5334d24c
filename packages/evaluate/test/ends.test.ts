// Where every protocol has its ends: the known answer as a map, random maps, and the known answer turned round.
import { describe, expect, test } from 'vitest';
import { figures, toyCase, type Toy } from './toy.js';

/** Twenty units; three carry the answer, the others a little against it. */
const truth = [3, 7, 8];
const weights = Array.from({ length: 20 }, (_, unit) => (truth.includes(unit) ? 1 : -0.1));
const known = weights.map((_, unit) => (truth.includes(unit) ? 1 : 0));
const pixels = { grid: [4, 5] as const };

function drawn(seed: number): number[] {
  let state = seed;
  return weights.map(() => (state = (state * 48271) % 2147483647) / 2147483647);
}

async function meanFigure(protocol: string, name: string, maps: readonly (readonly number[])[], more: Partial<Toy>): Promise<number> {
  const cases = maps.map((map) => toyCase({ weights, truth, scores: () => map, ...more }));
  return (await figures(protocol, cases))[name]!;
}

describe.each([
  ['perturbation', 'positive', 'lower', {}],
  ['perturbation', 'negative', 'higher', {}],
  ['perturbation', 'positive', 'lower', pixels],
  ['segmentation', 'mIoU', 'higher', pixels],
  ['segmentation', 'mAP', 'higher', pixels],
  ['segmentation', 'mF1', 'higher', pixels],
  ['activation', 'AUAC', 'higher', {}],
  ['pruning', 'AU-MSE', 'lower', {}],
  ['morf-lerf', 'deletion', 'higher', {}],
  ['morf-lerf', 'insertion', 'higher', {}],
  ['insertion-deletion', 'deletion', 'lower', {}],
  ['insertion-deletion', 'insertion', 'higher', pixels],
  ['eraser', 'AUPRC', 'higher', {}],
  ['eraser', 'token-F1', 'higher', {}],
  ['eraser', 'IOU-F1', 'higher', {}],
  ['eraser', 'comprehensiveness', 'higher', {}],
  ['eraser', 'sufficiency', 'lower', {}],
  ['pointing-game', 'accuracy', 'higher', {}],
  ['pointing-game', 'energy', 'higher', {}],
] as const)('%s: %s', (protocol, name, better, more) => {
  test('the known answer is at one end, its opposite at the other, random maps between', async () => {
    const sign = better === 'higher' ? 1 : -1;
    const [best, worst] = [
      await meanFigure(protocol, name, [known], more),
      await meanFigure(protocol, name, [known.map((w) => 1 - w)], more),
    ];
    const random = await meanFigure(
      protocol,
      name,
      Array.from({ length: 40 }, (_, i) => drawn(17 * i + 5)),
      more,
    );
    expect(sign * (best - random)).toBeGreaterThan(0);
    expect(sign * (random - worst)).toBeGreaterThan(0);
  });
});

describe('comparisons', () => {
  test('maps that do not hang on the model are alike, maps that are drawn are not', async () => {
    for (const protocol of ['quantisation', 'repeatability']) {
      const same = await figures(protocol, [toyCase({ weights, scores: () => known })]);
      const draws = Array.from({ length: 60 }, (_, i) => {
        let calls = 0;
        return toyCase({ weights, scores: () => drawn(1000 * i + 7 * ++calls) });
      });
      const random = await figures(protocol, draws);
      const name = protocol === 'quantisation' ? 'int8-spearman' : 'spearman';
      expect(same[name]).toBe(1);
      expect(Math.abs(random[name]!)).toBeLessThan(0.15);
    }
  });
});
