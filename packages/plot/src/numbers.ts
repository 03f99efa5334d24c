import { format } from 'd3-format';

const NO_BREAK_SPACE = '\u00a0';
const plain = (value: number): string => format('.3~g')(value);
const signedNumber = (value: number): string => format('+.3~g')(value);
const scientific = (value: number): string => format('.1e')(value);

/** A score for people: three significant digits, its sign written out in a signed map, exponents below 0.001. */
export function scoreText(score: number, signed: boolean): string {
  if (score === 0) return '0';
  const size = Math.abs(score);
  if (size < 1e-3 || size >= 1e6) return `${signed && score > 0 ? '+' : ''}${scientific(score)}`;
  return (signed ? signedNumber : plain)(score);
}

/** A share of one as a percentage with the digits that matter: 41 %, 99.2 %, 0.31 %, "over 99.9 %", "under 0.01 %". */
export function percent(share: number): string {
  if (share > 0 && share < 1e-4) return `under 0.01${NO_BREAK_SPACE}%`;
  if (share < 1 && share >= 0.9995) return `over 99.9${NO_BREAK_SPACE}%`;
  const digits = share < 0.01 ? 2 : share < 0.1 || share > 0.95 ? 1 : 0;
  return `${Number((100 * share).toFixed(digits))}${NO_BREAK_SPACE}%`;
}

/** A tiny error as a percentage, in plain digits: 0.00003 %. */
export function errorPercent(share: number): string {
  if (share === 0) return `0${NO_BREAK_SPACE}%`;
  const value = 100 * share;
  const digits = Math.max(0, Math.min(12, -Math.floor(Math.log10(value))));
  return `${value.toFixed(digits)}${NO_BREAK_SPACE}%`;
}

/** A count of parameters: 912, 84 thousand, 1.2 million, 2.8 billion. */
export function parameterText(count: number): string {
  const units: readonly (readonly [number, string])[] = [
    [1e9, ' billion'],
    [1e6, ' million'],
    [1e3, ' thousand'],
  ];
  const [size, unit] = units.find(([limit]) => count >= limit) ?? [1, ''];
  return `${format('.3~r')(count / size)}${unit}`;
}
