import { paragraph, place, QUIET, stack, svgDocument, type Drawing } from '../drawing.js';
import { legendDrawing } from '../legend.js';
import { checkOverlay, overlayDrawing, type ImageOverlay } from './overlay.js';
import type { PatchMap } from './patches.js';
import { checkPicture, pictureDefinitions, pictureDrawing } from './picture.js';

export interface ImageFigure {
  /** One row a picture: the picture by itself, and maps of it, of one or of several models. */
  readonly rows: readonly {
    /** As a data URL. */
    readonly picture: string;
    readonly name: string;
    readonly maps: readonly (PatchMap & { readonly title: string })[];
  }[];
  /** What stands over each map's column; the maps' own titles are then only spoken. Needs as many maps in every row. */
  readonly columnTitles?: readonly string[];
  /** What stands over several columns together, from the left: the models, say. Their `columns` add up to the maps of a row. */
  readonly groups?: readonly { readonly title: string; readonly columns: number }[];
  readonly view?: ImageOverlay['view'];
  /** Width of a picture in pixels; default 150. */
  readonly width?: number;
  readonly title?: string;
}

/** Between the columns of a figure. */
export const GAP = 14;

/** Drawings beside each other, each in a column of `width`, with their captions below. */
export function beside(tiles: readonly { readonly drawing: Drawing; readonly below?: Drawing }[], width: number): Drawing {
  const cells = tiles.map(({ drawing, below }) => (below ? stack([drawing, below], 6) : drawing));
  const body = cells.map((cell, at) => place(cell, at * (width + GAP), 0)).join('');
  return { width: cells.length * (width + GAP) - GAP, height: Math.max(...cells.map(({ height }) => height)), body };
}

/** Titles at the foot of their lines' common height, each over its column. */
function heads(titles: readonly string[], width: number): Drawing {
  const drawings = titles.map((title) => paragraph(title, width, { size: 12, weight: 600 }));
  const height = Math.max(0, ...drawings.map((drawing) => drawing.height));
  const body = drawings.map((drawing, at) => place(drawing, at * (width + GAP), height - drawing.height)).join('');
  return { width: titles.length * (width + GAP) - GAP, height, body };
}

function groupHeads(groups: NonNullable<ImageFigure['groups']>, width: number): Drawing {
  let column = 1;
  const parts = groups.map(({ title, columns }) => {
    const [x, wide] = [column * (width + GAP), columns * (width + GAP) - GAP];
    column += columns;
    const { height, body } = paragraph(title, wide, { size: 14, weight: 600 });
    const rule = `<line x1="0" x2="${wide}" y1="${height + 4}" y2="${height + 4}" stroke="${QUIET}"/>`;
    return { height: height + 8, markup: place({ width: wide, height, body: body + rule }, x, 0) };
  });
  const height = Math.max(...parts.map((part) => part.height));
  return { width: column * (width + GAP) - GAP, height, body: parts.map(({ markup }) => markup).join('') };
}

function check({ rows, columnTitles, groups, width = 150 }: ImageFigure): void {
  if (rows.length === 0) throw new RangeError('imageFigure: there are no rows; it needs at least one');
  rows.forEach(({ picture, maps }, row) => {
    const where = `imageFigure: rows[${row}]`;
    checkPicture(`${where}.picture`, picture);
    maps.forEach((map, at) => checkOverlay(`${where}.maps[${at}]`, { ...map, picture, width }));
    const columns = columnTitles?.length ?? groups?.reduce((sum, group) => sum + group.columns, 0) ?? maps.length;
    if (maps.length !== columns) throw new RangeError(`${where} has ${maps.length} maps for ${columns} columns; it needs one for each`);
  });
  const grouped = groups?.reduce((sum, { columns }) => sum + columns, 0);
  if (columnTitles && grouped !== undefined && grouped !== columnTitles.length)
    throw new RangeError(`imageFigure: groups have ${grouped} columns for ${columnTitles.length} columnTitles; they need as many`);
}

/** The legend of maps with a scale each, or two where some are signed and some are not: what more colour means, not how much. */
export function relativeLegend(maps: readonly { readonly signed: boolean }[], caption = 'each map by its own scale'): Drawing {
  let [x, height] = [0, 0];
  const parts = [true, false]
    .filter((signed) => maps.some((map) => map.signed === signed))
    .map((signed, at) => {
      const ends = [signed ? 'most negative' : 'least', 'most'] as const;
      const drawing = legendDrawing({ signed, limit: 1, over: 'picture', ends, caption: at === 0 ? caption : '' });
      const markup = place(drawing, x, 0);
      x += drawing.width + 2 * GAP;
      height = drawing.height;
      return markup;
    });
  return { width: Math.max(0, x - 2 * GAP), height, body: parts.join('') };
}

/**
 * Images beside their maps in one SVG picture: a row for each image, with the image itself on the left. Maps of two models stand side by side
 * under `groups`. Each map has its own scale unless it has a `limit`.
 * @throws RangeError as `imageOverlay` does, naming the row and the map; for no rows, and for titles that do not match the maps.
 */
export function imageFigure(figure: ImageFigure): string {
  check(figure);
  const { rows, columnTitles, groups, view, width = 150, title } = figure;
  const caption = (text: string): Drawing => paragraph(text, width, { size: 12, fill: QUIET });
  const lines = rows.map(({ picture, name, maps }) => {
    const input = { drawing: pictureDrawing(picture, maps[0]?.grid ?? [1, 1], width), below: caption(name) };
    const overlays = maps.map((map) => ({
      drawing: overlayDrawing({ ...map, picture, width, ...(view ? { view } : {}) }),
      ...(columnTitles ? {} : { below: caption(map.title) }),
    }));
    return beside([input, ...overlays], width);
  });
  const all = stack(
    [
      ...(title ? [paragraph(title, Math.max(...lines.map((line) => line.width)), { size: 16, weight: 600 })] : []),
      ...(groups ? [groupHeads(groups, width)] : []),
      ...(columnTitles ? [heads(['', ...columnTitles], width)] : []),
      ...lines,
      relativeLegend(rows.flatMap(({ maps }) => maps)),
    ],
    16,
  );
  const pictures = rows.map(({ picture, maps }) => ({ picture, grid: maps[0]?.grid ?? ([1, 1] as const) }));
  return svgDocument({ ...all, body: pictureDefinitions(pictures) + all.body }, title ?? 'Images and maps of them');
}
