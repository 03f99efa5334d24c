import { ticks } from 'd3-array';
import { checkScores, colorLimit } from './check.js';
import { diverging, sequential } from './color.js';
import { HAIRLINE, INK, label, labelWidth, paragraph, QUIET, stack, svgDocument, type Drawing } from './drawing.js';
import { legendDrawing } from './legend.js';
import { element, escapeText } from './markup.js';
import { shorten, visible } from './names.js';
import { scoreText } from './numbers.js';
import { encodePng } from './png.js';

export interface Heatmap {
  /** `[rows, columns]`, row-major. */
  readonly values: ArrayLike<number>;
  readonly rows: number;
  readonly columns: number;
  readonly signed: boolean;
  readonly title?: string;
  /** What a row is ("position i, looking back"), and a column. */
  readonly rowTitle?: string;
  readonly columnTitle?: string;
  /** One label per row / column; without them, or with more than fit, indices are marked at round numbers. */
  readonly rowLabels?: readonly string[];
  readonly columnLabels?: readonly string[];
  /** Value that gets the full colour. Default: the largest |value|. */
  readonly limit?: number;
  /** Longest side of the coloured area in pixels; default 560. */
  readonly size?: number;
  /** Pixels; default as high and wide as `size` allows with square cells. */
  readonly cell?: { readonly width: number; readonly height: number };
}

const MOST_SIDE = 2048;
const MOST_RECTANGLES = 1600;
const LABEL_SIZE = 11;
const LONGEST_LABEL = 18;

function check({ values, rows, columns, signed, rowLabels, columnLabels }: Heatmap): void {
  for (const [name, side] of [
    ['rows', rows],
    ['columns', columns],
  ] as const) {
    if (!Number.isInteger(side) || side < 1) throw new RangeError(`heatmap: ${name} is ${side}; it needs a whole number of at least 1`);
    if (side > MOST_SIDE)
      throw new RangeError(`heatmap: ${side} ${name}; at most ${MOST_SIDE} can be drawn. Draw a part, or average neighbours first`);
  }
  if (values.length !== rows * columns)
    throw new RangeError(`heatmap: ${values.length} values for ${rows} rows × ${columns} columns; it needs ${rows * columns}`);
  for (const [name, labels, side] of [
    ['rowLabels', rowLabels, rows],
    ['columnLabels', columnLabels, columns],
  ] as const)
    if (labels && labels.length !== side)
      throw new RangeError(`heatmap: ${labels.length} ${name}; it needs one for each of ${side}, or none`);
  for (let index = 0; index < values.length; index++)
    if (!Number.isFinite(values[index]))
      throw new RangeError(
        `heatmap: value at row ${Math.floor(index / columns)}, column ${index % columns} is ${values[index]}; it needs a finite number`,
      );
  checkScores('heatmap: values', values, signed);
}

/** The coloured area as one picture element, a byte a cell: 255 colours, number 127 is zero in a signed map, 0 in an unsigned one. */
function image(map: Heatmap, limit: number, width: number, height: number): string {
  const { values, rows, columns, signed } = map;
  const palette = Array.from({ length: 255 }, (_, index) => (signed ? diverging(index / 127 - 1) : sequential(index / 254)));
  const indices = new Uint8Array(rows * columns);
  for (let index = 0; index < indices.length; index++) {
    const share = Math.max(-1, Math.min(1, values[index]! / limit));
    indices[index] = signed ? Math.round(127 * share) + 127 : Math.round(254 * share);
  }
  const png = Buffer.from(encodePng(indices, columns, rows, palette)).toString('base64');
  const style = width >= columns && height >= rows ? 'image-rendering:pixelated' : undefined;
  return element('image', { width, height, preserveAspectRatio: 'none', href: `data:image/png;base64,${png}`, style });
}

/** The coloured area as one rectangle per cell, each with its value as tooltip. Zero is not drawn: it is paper. */
function rectangles(map: Heatmap, limit: number, width: number, height: number): string {
  const { values, rows, columns, signed, rowLabels, columnLabels } = map;
  const cells: string[] = [];
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      const value = values[row * columns + column]!;
      if (value === 0) continue;
      const fill = (signed ? diverging : sequential)(value / limit);
      const where = `${rowLabels?.[row] ?? `row ${row}`}, ${columnLabels?.[column] ?? `column ${column}`}`;
      const title = element('title', {}, escapeText(`${where}: ${scoreText(value, signed)}`));
      cells.push(element('rect', { x: column * width, y: row * height, width: width + 0.05, height: height + 0.05, fill }, title));
    }
  return cells.join('');
}

/** Which indices of a side are marked, and with what words. */
function marks(side: number, step: number, labels?: readonly string[]): { index: number; text: string }[] {
  if (labels && step >= LABEL_SIZE) return labels.map((text, index) => ({ index, text: shorten(visible(text), LONGEST_LABEL) }));
  const count = Math.max(1, Math.min(8, (side * step) / 40));
  const round = side === 1 ? [0] : ticks(0, side - 1, count).filter((value) => Number.isInteger(value));
  return round.map((index) => ({ index, text: String(index) }));
}

/** The matrix with its axes and legend, as part of a larger picture. Same input and errors as `heatmap`. */
export function heatmapDrawing(map: Heatmap): Drawing {
  check(map);
  const { values, rows, columns, signed, title, rowTitle, columnTitle, size = 560 } = map;
  if (!(size >= 16 && Number.isFinite(size))) throw new RangeError(`heatmap: size is ${size}; it needs at least 16 pixels`);
  const limit = colorLimit('heatmap', values, map.limit);
  const square = Math.min(28, size / Math.max(rows, columns));
  const cell = map.cell ?? { width: square, height: square };
  const [width, height] = [columns * cell.width, rows * cell.height];
  const rowMarks = marks(rows, cell.height, map.rowLabels);
  const columnMarks = marks(columns, cell.width, map.columnLabels);
  const words = map.columnLabels !== undefined && cell.width >= LABEL_SIZE;
  const longest = (texts: { text: string }[]): number => Math.max(0, ...texts.map(({ text }) => labelWidth(text, LABEL_SIZE)));
  const left = longest(rowMarks) + 8 + (rowTitle ? 20 : 0);
  const below = (words ? longest(columnMarks) + 12 : 20) + (columnTitle ? 18 : 0);
  const area = rows * columns > MOST_RECTANGLES ? image(map, limit, width, height) : rectangles(map, limit, cell.width, cell.height);
  const style = { size: LABEL_SIZE, fill: QUIET };
  const parts = [
    element('g', { transform: `translate(${left} 0)` }, area),
    element('rect', { x: left, y: 0, width, height, fill: 'none', stroke: HAIRLINE }),
    ...rowMarks.map(({ index, text }) => label(left - 6, (index + 0.5) * cell.height + 4, text, { ...style, anchor: 'end' })),
    ...columnMarks.map(({ index, text }) => {
      const x = left + (index + 0.5) * cell.width;
      return words
        ? label(x + 4, height + 8, text, { ...style, anchor: 'end', rotate: -90 })
        : label(x, height + 15, text, { ...style, anchor: 'middle' });
    }),
    rowTitle ? label(12, height / 2, rowTitle, { fill: INK, anchor: 'middle', rotate: -90 }) : '',
    columnTitle ? label(left + width / 2, height + below - 4, columnTitle, { fill: INK, anchor: 'middle' }) : '',
  ];
  const matrix = { width: left + width + 4, height: height + below, body: parts.join('') };
  const heading = title ? [paragraph(title, Math.max(240, matrix.width), { size: 14, weight: 600 })] : [];
  return stack(
    [...heading, matrix, legendDrawing({ signed, limit, clipped: limit < colorLimit('heatmap', values), caption: 'value' })],
    12,
  );
}

/**
 * A matrix as an SVG heat map: row 0 on top, column 0 left, labels, legend. Above 1,600 cells the colours are an embedded PNG.
 * @throws RangeError for a side of 0 or above 2,048, a count that does not match, NaN (by row and column), or a negative value in an unsigned map.
 */
export function heatmap(map: Heatmap): string {
  return svgDocument(heatmapDrawing(map), map.title ?? `Heat map of ${map.rows} by ${map.columns} values`);
}
