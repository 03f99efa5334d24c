import { INK, label, labelWidth, QUIET, svgDocument, type Drawing } from './drawing.js';
import { LEVELS, levelClass, levelColor } from './levels.js';
import { element, escapeText } from './markup.js';
import { scoreText } from './numbers.js';
import { heatColor, scaleOf, THICKEST, type PatchMap } from './image/patches.js';
import { DARKEST } from './image/picture.js';

export interface Legend {
  readonly signed: boolean;
  /** Score at the full colour. */
  readonly limit: number;
  /** Score where an unsigned map begins to have colour; default 0. */
  readonly low?: number;
  /** Whether some scores lie beyond the limit; said as "or more". */
  readonly clipped?: boolean;
  /** Words over the bar; default "score". */
  readonly caption?: string;
  /** Words for the two ends instead of their scores. */
  readonly ends?: readonly [low: string, high: string];
  /** What the colours lie on: `paper` (the default), or a pale `picture`; they are then shown on its light and its dark parts. */
  readonly over?: 'paper' | 'picture';
}

/** What a legend needs to know of a map of patches. */
export function legendOf(where: string, map: PatchMap): Legend {
  return { ...scaleOf(where, map), signed: map.signed, over: 'picture' };
}

function checkLimit(limit: number): void {
  if (!(limit > 0 && Number.isFinite(limit))) throw new RangeError(`legend: limit is ${limit}; it needs a finite number above 0`);
}

function endLabels({ signed, limit, low = 0, clipped, ends }: Legend): readonly [low: string, high: string] {
  if (ends) return ends;
  const high = `${scoreText(limit, signed)}${clipped ? ' or more' : ''}`;
  return [signed ? `${scoreText(-limit, true)}${clipped ? ' or less' : ''}` : scoreText(low, false), high];
}

/** The legend as part of a larger picture: a bar of the colours with the scores at its ends (and zero in a signed map's middle). */
export function legendDrawing(legend: Legend): Drawing {
  checkLimit(legend.limit);
  const { signed, caption = 'score' } = legend;
  const [low, high] = endLabels(legend);
  const first = signed ? -LEVELS : 0;
  const count = LEVELS - first + 1;
  const barWidth = 210;
  const start = labelWidth(caption) + 10;
  const step = barWidth / count;
  const place = (index: number): Record<string, number> => ({ x: start + index * step, y: 0, width: step + 0.2, height: 12 });
  const onPaper = (index: number): string => element('rect', { ...place(index), fill: levelColor(first + index, signed).fill });
  const onPicture = (index: number): string => {
    const share = (first + index) / LEVELS;
    return element('rect', { ...place(index), width: step, fill: heatColor(share, signed), 'fill-opacity': THICKEST * Math.abs(share) });
  };
  const over = legend.over === 'picture';
  const dark = over ? [element('rect', { x: start, y: 6, width: barWidth, height: 6, fill: DARKEST })] : [];
  const steps = [...dark, ...Array.from({ length: count }, (_, index) => (over ? onPicture : onPaper)(index))];
  const frame = element('rect', { x: start, y: 0, width: barWidth, height: 12, fill: 'none', stroke: QUIET, 'stroke-width': 0.5 });
  const size = 11;
  const labels = [
    label(0, 10, caption, { fill: INK }),
    label(start, 26, low, { size, fill: QUIET }),
    label(start + barWidth, 26, high, { size, fill: QUIET, anchor: 'end' }),
    ...(signed ? [label(start + barWidth / 2, 26, '0', { size, fill: QUIET, anchor: 'middle' })] : []),
  ];
  return { width: start + barWidth, height: 30, body: [...steps, frame, ...labels].join('') };
}

/** A legend by itself, as SVG. @throws RangeError if `limit` is not above 0. */
export function legend(options: Legend): string {
  return svgDocument(legendDrawing(options), 'Legend of the colours');
}

/** The style rules of legends of maps over pictures: the colours on a light and on a dark part. */
export function pictureLegendCss(): string {
  const side = (share: number, signed: boolean): string => {
    const opacity = Math.round(255 * THICKEST * Math.abs(share));
    return `${heatColor(share, signed)}${opacity.toString(16).padStart(2, '0')}`;
  };
  const bar = (...colors: string[]): string => `linear-gradient(90deg,${colors.join(',')}),linear-gradient(#ffffff 50%,${DARKEST} 50%)`;
  return [
    '.on-picture{width:9em;height:1.1em;-webkit-print-color-adjust:exact;print-color-adjust:exact}',
    `.on-picture.signed{background:${bar(side(-1, true), `${heatColor(-1, true)}00 50%`, `${heatColor(1, true)}00 50%`, side(1, true))}}`,
    `.on-picture.unsigned{background:${bar(side(0, false), side(1, false))}}`,
  ].join('\n');
}

/** A legend as HTML, in the colours of `tokenStripCss()`. @throws RangeError if `limit` is not above 0. */
export function legendHtml(options: Legend): string {
  checkLimit(options.limit);
  const { signed, caption } = options;
  const [low, high] = endLabels(options);
  const samples = (signed ? [-20, -15, -10, -5, 0, 5, 10, 15, 20] : [0, 5, 10, 15, 20]).map((step) =>
    element('span', { class: levelClass(step, signed) }, ' '),
  );
  const bar =
    options.over === 'picture'
      ? element('span', { class: `legend-bar on-picture ${signed ? 'signed' : 'unsigned'}`, 'aria-hidden': 'true' }, '')
      : element('span', { class: 'legend-bar', 'aria-hidden': 'true' }, samples.join(''));
  const words = caption ? `${escapeText(caption)} ` : '';
  return element('p', { class: 'legend' }, `${words}${escapeText(low)} ${bar} ${escapeText(high)}`);
}
