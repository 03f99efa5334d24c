import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { contrast, diverging, parseColor, PALETTE, READABLE, sequential, SERIES_COLORS, textOn, toOklab } from '../src/color.js';
import { LEVELS, level, levelClass, levelColor, tokenStripCss } from '../src/levels.js';
import { distance, seenAs } from './vision.js';

const STEPS = Array.from({ length: 21 }, (_, index) => index / 20);
const lightness = (color: string): number => toOklab(color)[0];

describe.each(['light', 'dark'] as const)('the %s palettes', (scheme) => {
  test('start at paper and end at the saturated colours', () => {
    const { zero, positive, negative, unsigned } = PALETTE[scheme];
    expect(diverging(0, scheme)).toBe(zero);
    expect(sequential(0, scheme)).toBe(zero);
    expect(diverging(1, scheme)).toBe(positive[1]);
    expect(diverging(-1, scheme)).toBe(negative[1]);
    expect(diverging(7, scheme)).toBe(positive[1]);
    expect(sequential(1, scheme)).toBe(unsigned[1]);
    expect(sequential(-0.5, scheme)).toBe(zero);
  });

  test('lightness moves one way on each side', () => {
    const direction = scheme === 'light' ? -1 : 1;
    for (const color of [
      (share: number) => diverging(share, scheme),
      (share: number) => diverging(-share, scheme),
      (share: number) => sequential(share, scheme),
    ])
      for (let step = 1; step < STEPS.length; step++)
        expect(direction * (lightness(color(STEPS[step]!)) - lightness(color(STEPS[step - 1]!)))).toBeGreaterThan(0.004);
  });

  test('equal sizes are equally light on both sides, within 0.02', () => {
    for (const share of STEPS)
      expect(Math.abs(lightness(diverging(share, scheme)) - lightness(diverging(-share, scheme)))).toBeLessThan(0.02);
  });

  test.each(['protanopia', 'deuteranopia'] as const)('with %s, plus and minus stay apart from a fifth of the limit on', (vision) => {
    for (const share of STEPS.filter((value) => value >= 0.2)) {
      const [plus, minus] = [seenAs(diverging(share, scheme), vision), seenAs(diverging(-share, scheme), vision)];
      expect(distance(plus, minus)).toBeGreaterThan(0.04);
      // and a weak plus is no strong minus: every pair across zero differs in hue
      for (const other of STEPS.filter((value) => value >= 0.2))
        expect(distance(plus, seenAs(diverging(-other, scheme), vision))).toBeGreaterThan(0.04);
    }
    expect(distance(seenAs(diverging(1, scheme), vision), seenAs(diverging(-1, scheme), vision))).toBeGreaterThan(0.2);
  });

  test('sizes can be told from lightness alone', () => {
    for (const end of [diverging(1, scheme), diverging(-1, scheme), sequential(1, scheme)])
      expect(distance(seenAs(end, 'achromatopsia'), seenAs(PALETTE[scheme].zero, 'achromatopsia'))).toBeGreaterThan(0.25);
  });

  test('text on every step has the contrast of WCAG AA', () => {
    for (let step = -LEVELS; step <= LEVELS; step++) {
      const { fill, text } = levelColor(step, true, scheme);
      expect(contrast(fill, text)).toBeGreaterThanOrEqual(READABLE);
    }
    for (let step = 0; step <= LEVELS; step++) {
      const { fill, text } = levelColor(step, false, scheme);
      expect(contrast(fill, text)).toBeGreaterThanOrEqual(READABLE);
    }
  });
});

test('textOn is readable on any colour whatever', () => {
  const byte = fc.integer({ min: 0, max: 255 });
  fc.assert(
    fc.property(byte, byte, byte, (...channels) => {
      const color = `#${channels.map((channel) => channel.toString(16).padStart(2, '0')).join('')}`;
      expect(contrast(color, textOn(color))).toBeGreaterThanOrEqual(READABLE);
    }),
  );
});

test('contrast: golden figures', () => {
  expect(contrast('#000000', '#ffffff')).toBeCloseTo(21, 10);
  expect(contrast('#777777', '#ffffff')).toBeCloseTo(4.478, 3);
});

test('OKLab: white, black and the published figures of pure red', () => {
  expect(toOklab('#ffffff')[0]).toBeCloseTo(1, 4);
  expect(toOklab('#000000')).toEqual([0, 0, 0]);
  const [l, a, b] = toOklab('#ff0000');
  expect([l, a, b].map((value) => Number(value.toFixed(3)))).toEqual([0.628, 0.225, 0.126]);
});

test('series colours are seen on white', () => {
  for (const color of SERIES_COLORS) expect(contrast(color, '#ffffff')).toBeGreaterThan(3);
});

test('refuses NaN and what is no colour', () => {
  expect(() => diverging(NaN)).toThrow('diverging: value is NaN');
  expect(() => sequential(NaN)).toThrow('sequential: value is NaN');
  expect(() => parseColor('red')).toThrow('"red" is not of the form #rrggbb');
});

test('levels: zero is paper, the limit and beyond the full colour', () => {
  expect(level(0, 3)).toBe(0);
  expect(Object.is(level(-0.0001, 3), 0)).toBe(true);
  expect(level(3, 3)).toBe(LEVELS);
  expect(level(-9, 3)).toBe(-LEVELS);
  expect(level(1.5, 3)).toBe(LEVELS / 2);
  expect([levelClass(0, true), levelClass(4, true), levelClass(-4, true), levelClass(4, false)]).toEqual([undefined, 'p4', 'n4', 'u4']);
  const css = tokenStripCss();
  for (const name of ['p1', 'p20', 'n1', 'n20', 'u1', 'u20']) expect(css).toContain(`.${name}{background:#`);
});
