import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { curves, SERIES_COLORS } from '../src/index.js';
import { thin } from '../src/thin.js';
import { byName, parse, textOf } from './markup-tree.js';

const loss = { name: 'loss', x: [1, 10, 100], y: [4, 2, 1] };

/** The points of the first line without fill. */
function points(svg: string): number[][] {
  const line = byName(parse(svg), 'path').find(({ attributes }) => attributes['fill'] === 'none')!;
  return line.attributes['d']!.slice(1)
    .split('L')
    .map((pair) => pair.split(',').map(Number));
}

describe('curves', () => {
  test('a logarithmic axis puts powers of ten at equal steps, a linear one does not', () => {
    const [a, b, c] = points(curves({ series: [loss], xScale: 'log' })).map(([x]) => x!);
    expect(b! - a!).toBeCloseTo(c! - b!, 2);
    const [d, e, f] = points(curves({ series: [loss] })).map(([x]) => x!);
    expect((f! - d!) / (e! - d!)).toBeCloseTo(11, 1);
  });

  test('higher values are drawn higher', () => {
    const [first, second, third] = points(curves({ series: [loss] })).map(([, y]) => y!);
    expect(first).toBeLessThan(second!);
    expect(second).toBeLessThan(third!);
  });

  test('names, axis labels and a band; series differ by dash as well as colour', () => {
    const other = { name: 'random', x: [1, 100], y: [4, 3], low: [3, 2], high: [5, 4] };
    const svg = parse(curves({ series: [loss, other], title: 'Removal', xLabel: 'step', yLabel: 'bits per byte' }));
    expect(byName(svg, 'text').map(textOf)).toEqual(expect.arrayContaining(['Removal', 'step', 'bits per byte', 'loss', 'random']));
    const lines = byName(svg, 'path').filter(({ attributes }) => attributes['fill'] === 'none');
    expect(lines.map(({ attributes }) => attributes['stroke'])).toEqual(SERIES_COLORS.slice(0, 2));
    expect(lines[0]!.attributes['stroke-dasharray']).not.toBe(lines[1]!.attributes['stroke-dasharray']);
    const [band] = byName(svg, 'path').filter(({ attributes }) => attributes['fill-opacity']);
    expect(band!.attributes['d']!.split('L')).toHaveLength(4);
    expect(byName(svg, 'svg')[0]!.attributes['aria-label']).toBe('Removal');
  });

  test('a single point is a dot, a flat line has an axis', () => {
    expect(byName(parse(curves({ series: [{ name: 'one', x: [3], y: [5] }] })), 'circle')).toHaveLength(1);
    expect(
      points(curves({ series: [{ name: 'flat', x: [0, 1], y: [2, 2] }] }))
        .flat()
        .every(Number.isFinite),
    ).toBe(true);
  });

  test('a hundred thousand points stay small, and the spike among them stays', () => {
    const x = Float64Array.from({ length: 100_000 }, (_, index) => index);
    const y = x.map((value) => (value === 54_321 ? 9 : Math.sin(value)));
    const svg = curves({ series: [{ name: 'long', x, y }] });
    expect(svg.length).toBeLessThan(60_000);
    const heights = points(svg).map(([, height]) => height!);
    expect(heights.filter((height) => height === Math.min(...heights))).toHaveLength(1);
  });

  test.each([
    [{ series: [] }, 'no series'],
    [{ series: [{ ...loss, y: [1, NaN, 2] }] }, 'curves: series[0] (loss): y[1] is NaN'],
    [{ series: [loss, { ...loss, y: [1] }] }, 'curves: series[1] (loss): 1 values of y for 3 of x'],
    [{ series: [{ ...loss, x: [0, 1, 2] }], xScale: 'log' as const }, 'x[0] is 0; a logarithmic axis needs values above 0'],
    [{ series: [{ ...loss, x: [2, 1, 3] }] }, 'x[1] is 1, less than the one before'],
    [{ series: [{ ...loss, low: [1, 1, 1] }] }, 'only one edge of its band'],
    [{ series: [{ name: 'none', x: [], y: [] }] }, 'has no points'],
  ])('refuses bad input %#', (options, message) => {
    expect(() => curves(options)).toThrow(message);
  });
});

test('thinning keeps the ends and the extremes, in order, at most four points a pixel', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -50, max: 50 }), { minLength: 1, maxLength: 400 }), (values) => {
      const across = values.map((_, index) => index / 37);
      const kept = thin(across, values);
      expect(kept).toEqual(kept.toSorted((a, b) => a - b));
      expect(kept[0]).toBe(0);
      expect(kept.at(-1)).toBe(values.length - 1);
      const heights = kept.map((index) => values[index]!);
      expect([Math.min(...heights), Math.max(...heights)]).toEqual([Math.min(...values), Math.max(...values)]);
      expect(kept.length).toBeLessThanOrEqual(4 * Math.ceil(values.length / 37));
    }),
  );
});
