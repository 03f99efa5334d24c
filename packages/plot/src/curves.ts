import { extent } from 'd3-array';
import { scaleLinear, scaleLog } from 'd3-scale';
import { SERIES_COLORS } from './color.js';
import { HAIRLINE, INK, label, labelWidth, paragraph, QUIET, stack, svgDocument, type Drawing } from './drawing.js';
import { element, round } from './markup.js';
import { thin } from './thin.js';

export interface Series {
  readonly name: string;
  /** `[points]`, not decreasing. */
  readonly x: ArrayLike<number>;
  /** `[points]` */
  readonly y: ArrayLike<number>;
  /** `[points]` each, or neither: a band around the line (smallest and largest of several runs). */
  readonly low?: ArrayLike<number>;
  readonly high?: ArrayLike<number>;
}

export interface Curves {
  readonly series: readonly Series[];
  readonly title?: string;
  readonly xLabel?: string;
  readonly yLabel?: string;
  /** Default `linear`. A logarithmic axis needs values above 0. */
  readonly xScale?: 'linear' | 'log';
  readonly yScale?: 'linear' | 'log';
  /** Lowest and highest value of the y axis; default: what the data needs. */
  readonly yDomain?: readonly [number, number];
  readonly width?: number;
  readonly height?: number;
}

const DASHES: readonly (string | undefined)[] = [undefined, '7 4', '2 3', '9 3 2 3', '12 4', '4 2'];

function check({ series, xScale, yScale }: Curves): void {
  if (series.length === 0) throw new RangeError('curves: no series; it needs at least one');
  series.forEach((line, index) => {
    const where = `curves: series[${index}] (${line.name})`;
    if (line.x.length === 0) throw new RangeError(`${where} has no points; it needs at least one`);
    if ((line.low === undefined) !== (line.high === undefined))
      throw new TypeError(`${where} has only one edge of its band; give low and high, or neither`);
    for (const [name, values, scale] of [
      ['x', line.x, xScale],
      ['y', line.y, yScale],
      ['low', line.low, yScale],
      ['high', line.high, yScale],
    ] as const) {
      if (values === undefined) continue;
      if (values.length !== line.x.length)
        throw new RangeError(`${where}: ${values.length} values of ${name} for ${line.x.length} of x; it needs as many`);
      for (let point = 0; point < values.length; point++) {
        const value = values[point]!;
        if (!Number.isFinite(value)) throw new RangeError(`${where}: ${name}[${point}] is ${value}; it needs a finite number`);
        if (scale === 'log' && value <= 0)
          throw new RangeError(`${where}: ${name}[${point}] is ${value}; a logarithmic axis needs values above 0`);
        if (name === 'x' && point > 0 && value < values[point - 1]!)
          throw new RangeError(`${where}: x[${point}] is ${value}, less than the one before; sort the points by x`);
      }
    }
  });
}

function axis(
  kind: 'linear' | 'log',
  domain: readonly [number, number],
  range: readonly [number, number],
  nice: boolean,
): ReturnType<typeof scaleLinear<number, number>> {
  const [low, high] = domain;
  const spread = low !== high ? domain : kind === 'log' ? [low / 2, high * 2] : [low - 0.5, high + 0.5];
  const scale = (kind === 'log' ? scaleLog() : scaleLinear()).domain(spread).range(range);
  return nice ? scale.nice() : scale;
}

function path(points: readonly (readonly [number, number])[]): string {
  return `M${points.map(([x, y]) => `${round(x)},${round(y)}`).join('L')}`;
}

/** Names with a sample of their line, wrapped at `width`. */
function names(series: readonly Series[], width: number): Drawing {
  let [x, y] = [0, 0];
  const parts = series.map(({ name }, index) => {
    const wide = labelWidth(name) + 50;
    if (x > 0 && x + wide > width) [x, y] = [0, y + 20];
    const markup = `${element('line', { x1: x, x2: x + 26, y1: y + 8, y2: y + 8, ...stroke(index) })}${label(x + 32, y + 12, name)}`;
    x += wide;
    return markup;
  });
  return { width, height: y + 18, body: parts.join('') };
}

function stroke(index: number): Record<string, string | number | undefined> {
  const color = SERIES_COLORS[index % SERIES_COLORS.length]!;
  return { stroke: color, 'stroke-width': 2, 'stroke-dasharray': DASHES[index % DASHES.length], fill: 'none' };
}

/** The chart as part of a larger picture. Same input and errors as `curves`. */
function curvesDrawing(options: Curves): Drawing {
  check(options);
  const { series, title, xLabel, yLabel, xScale = 'linear', yScale = 'linear', yDomain, width = 640, height = 360 } = options;
  const left = yLabel ? 76 : 56;
  const bottom = xLabel ? 48 : 28;
  const all = (pick: (line: Series) => readonly (ArrayLike<number> | undefined)[]): [number, number] =>
    extent(series.flatMap((line) => pick(line).flatMap((values) => Array.from(values ?? [])))) as [number, number];
  const x = axis(
    xScale,
    all((line) => [line.x]),
    [left, width - 12],
    false,
  );
  const y = axis(yScale, yDomain ?? all((line) => [line.y, line.low, line.high]), [height - bottom, 8], yDomain === undefined);
  const style = { size: 11, fill: QUIET };
  const yTicks = y.ticks(6).map((value) => {
    const at = y(value);
    const text = y.tickFormat(6)(value);
    return `${element('line', { x1: left, x2: width - 12, y1: at, y2: at, stroke: HAIRLINE })}${label(left - 8, at + 4, text, { ...style, anchor: 'end' })}`;
  });
  const xTicks = x.ticks(7).map((value) => {
    const at = x(value);
    const text = x.tickFormat(7)(value);
    return `${element('line', { x1: at, x2: at, y1: height - bottom, y2: height - bottom + 5, stroke: QUIET })}${label(at, height - bottom + 18, text, { ...style, anchor: 'middle' })}`;
  });
  const lines = series.map((line, index) => {
    const kept = thin(
      Array.from(line.x, (value) => x(value)),
      line.y,
    );
    const at = (values: ArrayLike<number>, point: number): [number, number] => [x(line.x[point]!), y(values[point]!)];
    const { low, high } = line;
    const band = low && high ? [...kept.map((point) => at(high, point)), ...kept.toReversed().map((point) => at(low, point))] : [];
    const area = band.length > 0 ? element('path', { d: `${path(band)}Z`, fill: stroke(index)['stroke'], 'fill-opacity': 0.15 }) : '';
    const points = kept.map((point) => at(line.y, point));
    const mark =
      points.length === 1 ? element('circle', { cx: points[0]![0], cy: points[0]![1], r: 3.5, fill: stroke(index)['stroke'] }) : '';
    return `${area}${element('path', { d: path(points), ...stroke(index), 'stroke-linejoin': 'round' })}${mark}`;
  });
  const base = element('line', { x1: left, x2: width - 12, y1: height - bottom, y2: height - bottom, stroke: QUIET });
  const words = [
    xLabel ? label((left + width) / 2, height - 6, xLabel, { fill: INK, anchor: 'middle' }) : '',
    yLabel ? label(14, (height - bottom) / 2, yLabel, { fill: INK, anchor: 'middle', rotate: -90 }) : '',
  ];
  const chart = { width, height, body: [...yTicks, base, ...xTicks, ...lines, ...words].join('') };
  const heading = title ? [paragraph(title, width, { size: 14, weight: 600 })] : [];
  return stack([...heading, chart, names(series, width)], 8);
}

/**
 * Lines over a common axis (a loss curve, removal curves) with optional bands, as SVG; series differ by colour and dash pattern.
 * Long series are thinned to what the width can show, their extremes kept.
 * @throws RangeError naming the series and the point for NaN, unsorted x, unequal lengths, or a value ≤ 0 on a logarithmic axis.
 */
export function curves(options: Curves): string {
  return svgDocument(curvesDrawing(options), options.title ?? options.series.map(({ name }) => name).join(', '));
}
