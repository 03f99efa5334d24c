import { label, paragraph, place, QUIET, stack, svgDocument, type Drawing } from '../drawing.js';
import { legendDrawing, legendOf } from '../legend.js';
import { heatImage, heatPatches, type View } from './heat.js';
import { checkPatches, described, scaleOf, shares, type PatchMap } from './patches.js';
import { checkPicture, pictureDefinitions, pictureDrawing } from './picture.js';

export interface ImageOverlay extends PatchMap {
  /** The picture as a data URL (`data:image/png;base64,…`): pictures refer to nothing outside themselves. */
  readonly picture: string;
  /** `patches` (the default): every patch in its own colour; `smooth`: scores interpolated between the centres of patches. */
  readonly view?: View;
  /** Pixels; the height follows from the picture. Default 320. */
  readonly width?: number;
  readonly title?: string;
}

/** More patches than this are drawn without tooltips. */
const MOST_TOOLTIPS = 1600;

/** Refuses what cannot be drawn. `where` opens the message. */
export function checkOverlay(where: string, overlay: ImageOverlay): void {
  const { picture, width = 320 } = overlay;
  checkPicture(`${where}: picture`, picture);
  checkPatches(where, overlay);
  scaleOf(where, overlay);
  if (!(width >= 16 && Number.isFinite(width))) throw new RangeError(`${where}: width is ${width}; it needs at least 16 pixels`);
}

/** A defined picture, pale, under the colours of its patches. `plain`: without tooltips, for small pictures of which there are many. */
export function overlayDrawing(overlay: ImageOverlay, detail: 'tooltips' | 'plain' = 'tooltips'): Drawing {
  const { picture, grid, scores, signed, view = 'patches', width = 320 } = overlay;
  const values = shares(scores, scaleOf('imageOverlay', overlay));
  const below = pictureDrawing(picture, grid, width, true);
  const { height } = below;
  const plain = detail === 'plain' || values.length > MOST_TOOLTIPS;
  const image = plain || view === 'smooth' ? heatImage(values, grid, signed, view, width, height) : '';
  const patches = plain ? '' : heatPatches(overlay, values, width, height, view === 'patches');
  return { width, height, body: below.body + image + patches };
}

/** Numbers of rows and columns beside a drawing of a grid, as many as there is room for. */
export function numbered(drawing: Drawing, [rows, columns]: PatchMap['grid']): Drawing {
  const [left, top] = [20, 18];
  const style = { size: 11, fill: QUIET };
  const numbers = (count: number, side: number): number[] => {
    const step = [1, 2, 5, 10, 20, 50].find((each) => (each * side) / count >= 17) ?? count;
    return Array.from({ length: Math.floor(count / step) }, (_, at) => (at + 1) * step);
  };
  const labels = [
    ...numbers(rows, drawing.height).map((row) =>
      label(left - 6, top + ((row - 0.5) * drawing.height) / rows + 4, String(row), { ...style, anchor: 'end' }),
    ),
    ...numbers(columns, drawing.width).map((column) =>
      label(left + ((column - 0.5) * drawing.width) / columns, top - 6, String(column), { ...style, anchor: 'middle' }),
    ),
  ];
  return { width: left + drawing.width, height: top + drawing.height, body: place(drawing, left, top) + labels.join('') };
}

/**
 * An image with a map of its patches over it, as SVG with a legend. The picture is pale; the colours are those of the text maps, the
 * thicker the larger the score. Every patch has its place and score as tooltip, rows and columns are numbered from 1.
 * @throws RangeError for a count that does not match the grid, NaN, a negative score in an unsigned map, or a picture that is no data URL.
 */
export function imageOverlay(overlay: ImageOverlay): string {
  checkOverlay('imageOverlay', overlay);
  const { title, grid } = overlay;
  const drawing = numbered(overlayDrawing(overlay), grid);
  const heading = title ? [paragraph(title, Math.max(240, drawing.width), { size: 14, weight: 600 })] : [];
  const all = stack([...heading, drawing, legendDrawing(legendOf('imageOverlay', overlay))], 12);
  const spoken = `${title ?? 'A map over its picture'}. ${described(overlay)}`;
  return svgDocument({ ...all, body: pictureDefinitions([overlay]) + all.body }, spoken);
}
