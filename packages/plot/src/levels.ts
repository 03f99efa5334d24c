import { diverging, sequential, textOn, type Scheme } from './color.js';

/** Steps of colour on each side of zero; finer than a reader tells apart, coarse enough for one CSS class each. */
export const LEVELS = 20;

/** A score as a step of colour: 0 is paper, ±`LEVELS` the full colour; |score| ≥ limit gets the full colour. */
export function level(score: number, limit: number): number {
  return Math.sign(score) * Math.min(LEVELS, Math.round((LEVELS * Math.abs(score)) / limit)) || 0;
}

/** Background of a level and the text colour that reads on it. */
export function levelColor(step: number, signed: boolean, scheme: Scheme = 'light'): { fill: string; text: string } {
  const fill = (signed ? diverging : sequential)(step / LEVELS, scheme);
  return { fill, text: textOn(fill, scheme) };
}

/** CSS class of a level: `p7` and `n7` in a signed map, `u7` in an unsigned one; undefined at zero, which stays paper. */
export function levelClass(step: number, signed: boolean): string | undefined {
  if (step === 0) return undefined;
  return signed ? `${step > 0 ? 'p' : 'n'}${Math.abs(step)}` : `u${step}`;
}

function rules(scheme: Scheme): string {
  const lines: string[] = [];
  for (let step = 1; step <= LEVELS; step++)
    for (const [signed, value] of [
      [true, step],
      [true, -step],
      [false, step],
    ] as const) {
      const { fill, text } = levelColor(value, signed, scheme);
      lines.push(`.${levelClass(value, signed)}{background:${fill};color:${text}}`);
    }
  return lines.join('');
}

/** A negative score shows without colour, too: a dashed underline from a fifth of the limit on. */
const UNDERLINED = Array.from({ length: LEVELS }, (_, index) => index + 1)
  .filter((step) => step >= LEVELS / 5)
  .map((step) => `.n${step}`)
  .join(',');

/** The style rules that `tokenStripHtml` and `legendHtml` need, once per page: light, and dark on a dark screen; colours also print. */
export function tokenStripCss(): string {
  return [
    '.token-strip{white-space:pre-wrap;overflow-wrap:anywhere}',
    '.token-strip span,.legend-bar span{-webkit-print-color-adjust:exact;print-color-adjust:exact}',
    '.token-strip span{border-radius:.12em}',
    '.legend-bar{display:inline-flex}',
    '.legend-bar span{display:inline-block;width:1em;height:.9em}',
    '.token-strip .marker{font-size:.75em;padding:0 .3em;border:1px solid}',
    `.token-strip :is(${UNDERLINED}){text-decoration:underline dashed 1px;text-underline-offset:.2em}`,
    rules('light'),
    `@media screen and (prefers-color-scheme:dark){${rules('dark')}}`,
  ].join('\n');
}
