import fc from 'fast-check';
import { expect, test } from 'vitest';
import { learningRateAt } from '../src/index.js';

const config = { learningRate: 0.4, warmupSteps: 4, finalLearningRateFraction: 0.1 };

test('goes up in a straight line, then down half a cosine to the final fraction', () => {
  const rates = Array.from({ length: 13 }, (_, step) => learningRateAt(step, 13, config));
  expect(rates.slice(0, 4)).toEqual([0.1, 0.2, expect.closeTo(0.3, 12), 0.4]);
  expect(rates[4]).toBeCloseTo(0.4, 12);
  expect(rates[8]).toBeCloseTo(0.22, 12); // half way: (0.4 + 0.04)/2
  expect(rates[12]).toBeCloseTo(0.04, 12);
});

test('the default warm-up is a tenth of the steps, 100 at most', () => {
  const plain = { learningRate: 1, finalLearningRateFraction: 0 };
  expect(learningRateAt(0, 50, plain)).toBe(1 / 5);
  expect(learningRateAt(0, 100_000, plain)).toBe(1 / 100);
  expect(learningRateAt(0, 3, plain)).toBe(1);
});

test('is never above the peak nor below the end, whatever the lengths', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 500 }), fc.integer({ min: 0, max: 600 }), fc.nat(600), (steps, warmupSteps, step) => {
      const rate = learningRateAt(step, steps, { ...config, warmupSteps });
      expect(rate).toBeLessThanOrEqual(0.4 + 1e-12);
      expect(rate).toBeGreaterThan(0);
      if (step >= warmupSteps) expect(rate).toBeGreaterThanOrEqual(0.04 - 1e-12);
    }),
  );
});
