import { checkScores, colorLimit } from './check.js';
import { diverging, sequential } from './color.js';
import { HAIRLINE, paragraph, place, stack, svgDocument, svgFragment, QUIET, type Drawing } from './drawing.js';
import { legendDrawing } from './legend.js';
import { element, escapeText } from './markup.js';
import { scoreText } from './numbers.js';

export interface ImageOverlay {
  /** The picture as a data URL (`data:image/png;base64,…`): pictures refer to nothing outside themselves. */
  readonly picture: string;
  /** Patches down and across. */
  readonly grid: readonly [rows: number, columns: number];
  /** One a patch, row by row. */
  readonly scores: ArrayLike<number>;
  readonly signed: boolean;
  /** Score that gets the full colour. Default: the largest |score|. Unsigned scores begin to have colour above the smallest of them. */
  readonly limit?: number;
  /** Pixels; the height follows from the grid. Default 224. */
  readonly width?: number;
  readonly title?: string;
}

/** "row 2, column 5" of a patch, counted from 1. */
export function patchName(patch: number, [, columns]: readonly [number, number]): string {
  return `row ${Math.floor(patch / columns) + 1}, column ${(patch % columns) + 1}`;
}

/** Refuses what is no picture of its own. */
export function checkPicture(where: string, picture: string): void {
  if (!/^data:image\/(png|jpeg|webp);base64,[A-Za-z0-9+/=]+$/.test(picture))
    throw new RangeError(`${where} is ${JSON.stringify(picture.slice(0, 40))}; it needs a data URL of a PNG, JPEG or WebP`);
}

function check({ picture, grid: [rows, columns], scores, signed, width = 224 }: ImageOverlay): void {
  checkPicture('imageOverlay: picture', picture);
  if (!(Number.isInteger(rows) && Number.isInteger(columns) && rows > 0 && columns > 0))
    throw new RangeError(`imageOverlay: grid is ${rows} × ${columns}; it needs whole numbers of at least 1`);
  if (scores.length !== rows * columns)
    throw new RangeError(`imageOverlay: ${scores.length} scores for ${rows} × ${columns} patches; it needs one per patch`);
  if (!(width >= 16 && Number.isFinite(width))) throw new RangeError(`imageOverlay: width is ${width}; it needs at least 16 pixels`);
  checkScores('imageOverlay: scores', scores, signed);
}

/** Where colours begin: at 0, of unsigned scores at the smallest, since all patches of some maps have much the same. */
export function lowest(scores: ArrayLike<number>, signed: boolean): number {
  return signed ? 0 : Math.min(...Array.from(scores));
}

/** The words at the ends of an overlay's legend, where they are not those of every legend. */
export function overlayEnds(scores: ArrayLike<number>, signed: boolean, limit: number): { ends?: readonly [string, string] } {
  return signed ? {} : { ends: [scoreText(lowest(scores, false), false), scoreText(limit, false)] };
}

/** The picture by itself, with sharp pixels. */
export function pictureDrawing(picture: string, width: number, height: number): Drawing {
  const style = 'image-rendering:pixelated';
  const body =
    element('image', { width, height, preserveAspectRatio: 'none', href: picture, style }) +
    element('rect', { width, height, fill: 'none', stroke: HAIRLINE });
  return { width, height, body };
}

/** The picture under the colours of its patches, without a legend. Same input and errors as `imageOverlay`. */
export function overlayDrawing(overlay: ImageOverlay): Drawing {
  check(overlay);
  const { picture, grid, scores, signed, width = 224 } = overlay;
  const [rows, columns] = grid;
  const limit = colorLimit('imageOverlay', scores, overlay.limit);
  const low = lowest(scores, signed);
  const side = width / columns;
  const height = rows * side;
  const patches = Array.from(scores, (score, patch) => {
    const share = limit > low ? Math.max(-1, Math.min(1, (score - low) / (limit - low))) : 0;
    const title = element('title', {}, escapeText(`${patchName(patch, grid)}: ${scoreText(score, signed)}`));
    const attributes = {
      x: (patch % columns) * side,
      y: Math.floor(patch / columns) * side,
      width: side,
      height: side,
      // the full colour, laid on as thickly as the score is large: what lies below stays to be seen
      fill: signed ? diverging(share < 0 ? -0.8 : 0.8) : sequential(0.8),
      'fill-opacity': (0.85 * Math.abs(share)).toFixed(3),
    };
    return element('rect', attributes, title);
  });
  const { body } = pictureDrawing(picture, width, height);
  return { width, height, body: body + patches.join('') };
}

/**
 * An image with a map of its patches over it, as SVG with a legend: the colours of the text maps, the thicker the larger the score.
 * @throws RangeError for a count that does not match the grid, NaN, a negative score in an unsigned map, or a picture that is no data URL.
 */
export function imageOverlay(overlay: ImageOverlay): string {
  const { scores, signed, title } = overlay;
  const limit = colorLimit('imageOverlay', scores, overlay.limit);
  const drawing = overlayDrawing(overlay);
  const heading = title ? [paragraph(title, Math.max(240, drawing.width), { size: 14, weight: 600 })] : [];
  const legend = legendDrawing({
    signed,
    limit,
    clipped: limit < colorLimit('imageOverlay', scores),
    ...overlayEnds(scores, signed, limit),
  });
  return svgDocument(stack([...heading, drawing, legend], 10), title ?? 'A map over its image');
}

export interface ImageFigure {
  /** One row a picture (or a model): the picture, and maps of it. */
  readonly rows: readonly {
    readonly picture: string;
    readonly name: string;
    readonly maps: readonly (Pick<ImageOverlay, 'grid' | 'scores' | 'signed'> & { readonly title: string })[];
  }[];
  /** Width of a picture in pixels; default 160. */
  readonly width?: number;
  readonly title?: string;
}

/** A row of drawings with a caption under each. */
function captioned(drawings: readonly { drawing: Drawing; caption: string }[], width: number): Drawing {
  const gap = 14;
  const cells = drawings.map(({ drawing, caption }) => stack([drawing, paragraph(caption, width, { size: 11, fill: QUIET })], 6));
  const body = cells.map((cell, at) => place(cell, at * (width + gap), 0)).join('');
  return { width: cells.length * (width + gap) - gap, height: Math.max(...cells.map(({ height }) => height)), body };
}

/** The figure as part of a larger picture. Same input and errors as `imageFigure`. */
export function imageFigureDrawing({ rows, width = 160, title }: ImageFigure): Drawing {
  if (rows.length === 0) throw new RangeError('imageFigure: there are no rows; it needs at least one');
  const lines = rows.map(({ picture, name, maps }, row) => {
    checkPicture(`imageFigure: rows[${row}].picture`, picture);
    const [down, across] = maps[0]?.grid ?? [1, 1];
    const input = { drawing: pictureDrawing(picture, width, (width * down) / across), caption: name };
    return captioned([input, ...maps.map((map) => ({ drawing: overlayDrawing({ ...map, picture, width }), caption: map.title }))], width);
  });
  const all = stack(lines, 22);
  return title ? stack([paragraph(title, all.width, { size: 15, weight: 600 }), all], 12) : all;
}

/**
 * Images beside their maps in one SVG picture: a row for each image, or for each model that saw it. Each map has its own scale.
 * @throws RangeError as `imageOverlay` does.
 */
export function imageFigure(figure: ImageFigure): string {
  return svgDocument(imageFigureDrawing(figure), figure.title ?? 'Images and maps of them');
}

export interface LayerStrip extends Pick<ImageOverlay, 'picture' | 'grid' | 'signed' | 'limit'> {
  /** One array a layer, layer 0 first; each has one score a patch. */
  readonly layers: readonly ArrayLike<number>[];
  /** Width of a picture in pixels; default 96. */
  readonly width?: number;
}

/** The strip as part of a larger picture. Same input and errors as `layerStrip`. */
export function layerStripDrawing({ layers, width = 96, ...shared }: LayerStrip): Drawing {
  if (layers.length === 0) throw new RangeError('layerStrip: there are no layers; it needs at least one');
  const perLine = 6;
  const lines = Array.from({ length: Math.ceil(layers.length / perLine) }, (_, line) =>
    captioned(
      layers.slice(line * perLine, (line + 1) * perLine).map((scores, at) => ({
        drawing: overlayDrawing({ ...shared, scores, width }),
        caption: `layer ${line * perLine + at}`,
      })),
      width,
    ),
  );
  return stack(lines, 12);
}

/**
 * The same as a film for a page with the rules of `filmCss`: one layer after another in the same place, without a script. It stands still
 * while the pointer or the keyboard is on it, and where people ask for less motion.
 * @throws RangeError as `imageOverlay` does.
 */
export function layerFilm({ layers, width = 224, ...shared }: LayerStrip): string {
  if (layers.length === 0) throw new RangeError('layerFilm: there are no layers; it needs at least one');
  const frames = layers.map((scores, layer) => {
    const frame = stack([overlayDrawing({ ...shared, scores, width }), paragraph(`layer ${layer}`, width, { fill: QUIET })], 6);
    return svgFragment(frame, `The map in layer ${layer}`);
  });
  const size = `--frames:${layers.length};--width:${width}px`;
  const attributes = { class: 'film', style: size, tabindex: '0', role: 'group', 'aria-label': 'The map, one layer after another' };
  return element('div', attributes, element('div', {}, frames.join('')));
}

/** The style rules of films. */
export function filmCss(): string {
  return [
    '.film{overflow:hidden;width:var(--width);max-width:100%}',
    '.film>div{display:flex;width:calc(var(--frames)*var(--width));animation:film calc(var(--frames)*.9s) steps(var(--frames)) infinite}',
    '.film svg{flex:none;width:var(--width);height:auto;max-width:none!important}',
    '.film:hover>div,.film:focus-visible>div{animation-play-state:paused}',
    '@keyframes film{to{transform:translateX(-100%)}}',
    '@media (prefers-reduced-motion:reduce),print{.film>div{animation:none}.film{overflow:auto}}',
  ].join('\n');
}

/**
 * How a map forms, layer by layer: a small overlay each, as SVG. Each layer has its own scale unless there is a `limit`.
 * @throws RangeError as `imageOverlay` does.
 */
export function layerStrip(strip: LayerStrip): string {
  return svgDocument(layerStripDrawing(strip), 'The map, layer by layer');
}
