import { PALETTE, parseColor } from '../color.js';
import { element, escapeText } from '../markup.js';
import { scoreText } from '../numbers.js';
import { encodeRgba } from '../png.js';
import { heatColor, patchName, THICKEST, type Grid, type PatchMap } from './patches.js';

/** `patches`: every patch in its own colour; `smooth`: scores interpolated between the centres of patches. */
export type View = 'patches' | 'smooth';

/** Pixels of the smooth picture across a patch; the viewer interpolates between them. */
const FINENESS = 8;
/** A share of the full colour from which a negative patch is marked, as negative words are underlined. */
const MARKED = 0.2;
/** Patches smaller than this many pixels have no room for the mark. */
const ROOM = 12;

/** The share at a point, in patches from the top left: that of the patch there, or between the four centres around it (bilinear). */
export function shareAt(values: readonly number[], [rows, columns]: Grid, y: number, x: number, view: View): number {
  if (view === 'patches') return values[Math.floor(y) * columns + Math.floor(x)]!;
  const [down, across] = [Math.min(rows - 1, Math.max(0, y - 0.5)), Math.min(columns - 1, Math.max(0, x - 0.5))];
  const [top, left] = [Math.floor(down), Math.floor(across)];
  const [bottom, right] = [Math.min(rows - 1, top + 1), Math.min(columns - 1, left + 1)];
  const row = (at: number): number => {
    const [first, second] = [values[at * columns + left]!, values[at * columns + right]!];
    return first + (across - left) * (second - first);
  };
  return row(top) + (down - top) * (row(bottom) - row(top));
}

/** The colours by themselves as a PNG with opacity, to be laid over a picture. */
export function heatImage(values: readonly number[], grid: Grid, signed: boolean, view: View, width: number, height: number): string {
  const fine = view === 'smooth' ? FINENESS : 1;
  const [tall, wide] = [grid[0] * fine, grid[1] * fine];
  const pixels = new Uint8Array(4 * tall * wide);
  for (let pixel = 0; pixel < tall * wide; pixel++) {
    const [y, x] = [(Math.floor(pixel / wide) + 0.5) / fine, ((pixel % wide) + 0.5) / fine];
    const share = shareAt(values, grid, y, x, view);
    pixels.set([...parseColor(heatColor(share, signed)), Math.round(255 * THICKEST * Math.abs(share))], 4 * pixel);
  }
  const href = `data:image/png;base64,${Buffer.from(encodeRgba(pixels, wide, tall)).toString('base64')}`;
  const style = view === 'patches' ? 'image-rendering:pixelated' : undefined;
  return element('image', { width, height, preserveAspectRatio: 'none', href, style });
}

/** A rectangle for every patch, with its place and score as tooltip; without `colored` there is nothing to see but the tooltips. */
export function heatPatches(
  { grid, scores, signed }: PatchMap,
  values: readonly number[],
  width: number,
  height: number,
  colored = true,
): string {
  const [rows, columns] = grid;
  const [across, down] = [width / columns, height / rows];
  const patches = values.map((share, patch) => {
    const [x, y] = [(patch % columns) * across, Math.floor(patch / columns) * down];
    const title = element('title', {}, escapeText(`${patchName(patch, grid)}: ${scoreText(scores[patch]!, signed)}`));
    const thick = colored ? (THICKEST * Math.abs(share)).toFixed(3) : '0';
    const fill = heatColor(share, signed);
    const patchMarkup = element('rect', { x, y, width: across, height: down, fill, 'fill-opacity': thick }, title);
    if (!colored || share > -MARKED || Math.min(across, down) < ROOM) return patchMarkup;
    const thickness = Math.max(1, down / 18);
    const dash = { x: x + 0.32 * across, y: y + 0.88 * down - thickness, width: 0.36 * across, height: thickness };
    return (
      patchMarkup + element('rect', { ...dash, fill: '#ffffff', stroke: PALETTE.light.ink, 'stroke-width': thickness / 2, class: 'minus' })
    );
  });
  return patches.join('');
}
