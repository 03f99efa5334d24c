/**
 * The two palettes of the project and the colour of text on them.
 *
 * Both run in OKLab (Björn Ottosson, 2020) from the paper's own colour (score 0) over a middle (half the limit) to a saturated end
 * (the limit), so lightness is monotone on each side and equal sizes look equally strong. Signed: blue – paper – orange, the pair that
 * stays apart without red or green receptors. Unsigned: paper – teal, so that nobody reads "for" or "against" into it.
 */

/** `light`: on white paper. `dark`: on the dark page of a report. */
export type Scheme = 'light' | 'dark';

type Triple = readonly [number, number, number];

/** Colours at half the limit and at the limit. */
type Side = readonly [middle: string, end: string];

interface Palette {
  /** Paper: score zero. */
  readonly zero: string;
  /** Text on paper. */
  readonly ink: string;
  readonly positive: Side;
  readonly negative: Side;
  readonly unsigned: Side;
}

/** Colours as `#rrggbb`; the tests of colour blindness and contrast hold for these. */
export const PALETTE: Readonly<Record<Scheme, Palette>> = {
  light: {
    zero: '#ffffff',
    ink: '#1f2328',
    positive: ['#f9bd78', '#b44f00'],
    negative: ['#a2cdf5', '#2270c3'],
    unsigned: ['#8ad3c4', '#00756b'],
  },
  dark: {
    zero: '#1d2026',
    ink: '#e8e6e1',
    positive: ['#6b3d15', '#ad5508'],
    negative: ['#224a78', '#2c70bb'],
    unsigned: ['#17524c', '#0a7a6f'],
  },
};

/** Series colours for curves (Okabe and Ito's set, darkened to 3:1 on white); the dash pattern tells series apart as well. */
export const SERIES_COLORS: readonly string[] = ['#0072b2', '#b85000', '#00805c', '#a5478a', '#6b6b6b', '#8a6d00'];

/** `#rrggbb` → red, green, blue in 0…255. Anything else is refused. */
export function parseColor(color: string): Triple {
  const match = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(color);
  if (!match) throw new TypeError(`color: ${JSON.stringify(color)} is not of the form #rrggbb`);
  return [parseInt(match[1]!, 16), parseInt(match[2]!, 16), parseInt(match[3]!, 16)];
}

function toLinear(channel: number): number {
  const value = channel / 255;
  return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
}

function fromLinear(value: number): string {
  const bounded = Math.min(1, Math.max(0, value));
  const encoded = bounded <= 0.0031308 ? 12.92 * bounded : 1.055 * bounded ** (1 / 2.4) - 0.055;
  return Math.round(255 * encoded)
    .toString(16)
    .padStart(2, '0');
}

/** `#rrggbb` → OKLab lightness (0…1), green–red, blue–yellow. */
export function toOklab(color: string): Triple {
  const [red, green, blue] = parseColor(color).map(toLinear) as unknown as Triple;
  const l = Math.cbrt(0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue);
  const m = Math.cbrt(0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue);
  const s = Math.cbrt(0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

function fromOklab([lightness, a, b]: Triple): string {
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const red = fromLinear(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s);
  const green = fromLinear(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s);
  const blue = fromLinear(-0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s);
  return `#${red}${green}${blue}`;
}

/** Paper at 0, the side's middle at ½, its end at 1. */
function ramp(zero: string, [middle, end]: Side, share: number): string {
  return share <= 0.5 ? mix(zero, middle, 2 * share) : mix(middle, end, 2 * share - 1);
}

function mix(from: string, to: string, share: number): string {
  const start = toOklab(from);
  const end = toOklab(to);
  return fromOklab(start.map((value, axis) => value + share * (end[axis]! - value)) as unknown as Triple);
}

/**
 * Colour of a signed value in [−1, 1] (beyond: the end colour): blue below zero, paper at zero, orange above.
 * @throws RangeError if `value` is NaN.
 */
export function diverging(value: number, scheme: Scheme = 'light'): string {
  if (Number.isNaN(value)) throw new RangeError('diverging: value is NaN; it needs a number, −1 to 1');
  const { zero, positive, negative } = PALETTE[scheme];
  return ramp(zero, value < 0 ? negative : positive, Math.min(1, Math.abs(value)));
}

/**
 * Colour of an unsigned value in [0, 1] (beyond: the nearer end): paper at zero, teal at one.
 * @throws RangeError if `value` is NaN.
 */
export function sequential(value: number, scheme: Scheme = 'light'): string {
  if (Number.isNaN(value)) throw new RangeError('sequential: value is NaN; it needs a number, 0 to 1');
  const { zero, unsigned } = PALETTE[scheme];
  return ramp(zero, unsigned, Math.min(1, Math.max(0, value)));
}

function luminance(color: string): number {
  const [red, green, blue] = parseColor(color).map(toLinear) as unknown as Triple;
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** WCAG 2 contrast ratio of two `#rrggbb` colours, 1 to 21. */
export function contrast(first: string, second: string): number {
  const [dark, light] = [luminance(first), luminance(second)].sort((a, b) => a - b) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}

/** Contrast that WCAG AA asks of text. */
export const READABLE = 4.5;

/**
 * The colour of text on `background`: the page's ink where that reads (WCAG AA, 4.5:1), else white or black, whichever reads better;
 * the better of these two always has at least 4.58:1.
 */
export function textOn(background: string, scheme: Scheme = 'light'): string {
  const { ink } = PALETTE[scheme];
  if (contrast(background, ink) >= READABLE) return ink;
  return contrast(background, '#000000') >= contrast(background, '#ffffff') ? '#000000' : '#ffffff';
}
