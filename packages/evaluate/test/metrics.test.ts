import { listMetrics, registerMetric, type MapPair } from '@hidden-attention/evaluate';
import { describe, expect, test } from 'vitest';
import { randomFor } from '../src/random.js';

const numbers = (seed: number): Float64Array => {
  const random = randomFor('map', seed);
  return Float64Array.from({ length: 28 * 28 }, () => random() - 0.5);
};
const pair = (a: Float64Array, b: Float64Array): MapPair => ({ a, b, pixels: { a, b, size: [28, 28] } });
const metric = (name: string): ((maps: MapPair) => number) => {
  const { compare } = listMetrics().find((known) => known.name === name)!;
  return (maps) => compare(maps)!;
};

describe.each(listMetrics().map(({ name }) => name))('%s', (name) => {
  test('is 1 of a map and itself, moved and stretched, and near 0 of two that have nothing to do with each other', () => {
    const map = numbers(1);
    expect(metric(name)(pair(map, map))).toBeCloseTo(1, 9);
    if (name !== 'spearman-abs')
      expect(
        metric(name)(
          pair(
            map,
            map.map((value) => 3 * value + 2),
          ),
        ),
      ).toBeCloseTo(1, 9);
    expect(Math.abs(metric(name)(pair(numbers(2), numbers(3))))).toBeLessThan(0.15);
  });
  test('does not mind which map comes first', () => {
    expect(metric(name)(pair(numbers(4), numbers(5)))).toBeCloseTo(metric(name)(pair(numbers(5), numbers(4))), 9);
  });
});

test('signs count, or do not', () => {
  const map = numbers(6);
  const turned = pair(
    map,
    map.map((value) => -value),
  );
  expect(metric('spearman')(turned)).toBeCloseTo(-1, 9);
  expect(metric('spearman-abs')(turned)).toBeCloseTo(1, 9);
});

test('structural similarity of a window: covariance over variances, by hand', () => {
  // 0…1 maps a = 0 0 1 1, b = 0 1 0 1: means 1/2, variances 1/4, covariance 0
  const maps = { a: Float64Array.of(0, 0, 1, 1), b: Float64Array.of(0, 1, 0, 1) };
  const [c1, c2] = [0.01 ** 2, 0.03 ** 2];
  expect(metric('ssim')({ ...maps, pixels: { ...maps, size: [2, 2] } })).toBeCloseTo(((0.5 + c1) * c2) / ((0.5 + c1) * (0.5 + c2)), 12);
});

test('oriented gradients see an edge turned by a right angle as another one', () => {
  const upright = Float64Array.from({ length: 28 * 28 }, (_, i) => (i % 28 < 14 ? 0 : 1));
  const lying = Float64Array.from({ length: 28 * 28 }, (_, i) => (i < 14 * 28 ? 0 : 1));
  expect(metric('hog')(pair(upright, lying))).toBeLessThan(0.1);
});

test('structure in pixels is not asked of texts, and names are not taken twice', () => {
  const text = { a: Float64Array.of(1, 2), b: Float64Array.of(2, 1) };
  expect(
    listMetrics()
      .filter(({ compare }) => compare(text) === undefined)
      .map(({ name }) => name),
  ).toEqual(['ssim', 'hog']);
  expect(() => registerMetric(listMetrics()[0]!)).toThrow('a metric "spearman" is registered already');
});
