import { bootstrap, pairedTest } from '@hidden-attention/evaluate';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ranks, spearman } from '../src/correlation.js';
import { randomFor } from '../src/random.js';
import { averagePrecision, ranked, rocArea, tiedShare } from '../src/ranking.js';
import { mean } from '../src/statistics.js';
import { upsampled } from '../src/upsample.js';

describe('rankings', () => {
  test('ties are broken by place, and counted', () => {
    expect(ranked([1, 3, 1, 3])).toEqual([1, 3, 0, 2]);
    expect(ranked([1, 3, 1, 3], 'lowest')).toEqual([0, 2, 1, 3]);
    expect(tiedShare([1, 3, 1, 2])).toBe(0.5);
  });
  test('average precision of equal scores is the share of what is relevant', () => {
    expect(averagePrecision([1, 1, 1, 1], [1, 0, 0, 0])).toBe(0.25);
    expect(averagePrecision([4, 3, 2, 1], [1, 0, 1, 0])).toBeCloseTo((1 + 2 / 3) / 2, 12);
  });
  test('a ROC area turned round is one less it', () => {
    const scores = fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 2, maxLength: 12 });
    fc.assert(
      fc.property(scores, fc.infiniteStream(fc.boolean()), (own, stream) => {
        const relevant = own.map(() => (stream.next().value ? 1 : 0));
        const turned = rocArea(
          own.map((score) => -score),
          relevant,
        );
        expect(rocArea(own, relevant) + turned).toBeCloseTo(1, 9);
      }),
    );
  });
  test('ranks share the mean of ties; the correlation of 1 2 3 4 with 1 3 2 4 is 0.8', () => {
    expect([...ranks([5, 1, 5, 9])]).toEqual([2.5, 1, 2.5, 4]);
    expect(spearman([1, 2, 3, 4], [1, 3, 2, 4])).toBeCloseTo(0.8, 12);
    expect(spearman([1, 1, 1], [1, 2, 3])).toBe(0);
  });
});

test('one number a patch becomes one a pixel, the middles of patches keeping theirs', () => {
  // two patches of four pixels: 0 up to the first middle, then quarters, as PyTorch's interpolate gives
  expect([...upsampled([0, 1], [1, 2], [1, 8])]).toEqual([0, 0, 0.125, 0.375, 0.625, 0.875, 1, 1]);
});

describe('intervals and tests', () => {
  const normal = (random: () => number): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const draw = (count: number, at: number, seed: number): number[][] => {
    const random = randomFor('test', seed);
    return Array.from({ length: count }, () => [at + normal(random)]);
  };
  test('a bootstrap interval is as wide as the standard error says, and the same each time', () => {
    const { value, low, high } = bootstrap(draw(200, 3, 1), mean);
    expect(high - low).toBeGreaterThan((2 * 1.96 * 0.85) / Math.sqrt(200));
    expect(high - low).toBeLessThan((2 * 1.96 * 1.15) / Math.sqrt(200));
    expect(low < value && value < high).toBe(true);
    expect(bootstrap(draw(200, 3, 1), mean)).toEqual({ value, low, high });
  });
  test('19 of 20 intervals hold the true mean', () => {
    const held = Array.from({ length: 60 }, (_, i) => bootstrap(draw(40, 0, i + 10), mean)).filter(
      ({ low, high }) => low <= 0 && high >= 0,
    );
    expect(held.length).toBeGreaterThan(52);
  });
  test('records of one example stay together', () => {
    // ten copies of the same record say no more than one: the interval must not shrink
    const once = draw(50, 0, 3);
    const often = once.map(([value]) => Array.from({ length: 10 }, () => value!));
    const [copied, single] = [bootstrap(often, mean), bootstrap(once, mean)];
    for (const name of ['value', 'low', 'high'] as const) expect(copied[name]).toBeCloseTo(single[name], 9);
  });
  test('a paired test finds a small difference that all examples share, and none where there is none', () => {
    const first = draw(50, 0, 5);
    const second = first.map(([value]) => [value! + 0.1 + 0.05 * value!]);
    const { difference, p } = pairedTest(second, first, mean);
    expect(difference).toBeGreaterThan(0.05);
    expect(p).toBeLessThan(0.01);
    expect(pairedTest(first, first, mean)).toEqual({ difference: 0, p: 1 });
    expect(pairedTest(draw(50, 0, 6), draw(50, 0, 7), mean).p).toBeGreaterThan(0.05);
  });
});
