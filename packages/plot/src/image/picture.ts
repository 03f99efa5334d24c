import { sha256 } from '../builtins.js';
import { pngSize } from '../decode-png.js';
import { HAIRLINE, type Drawing } from '../drawing.js';
import { element } from '../markup.js';
import type { Grid } from './patches.js';

/** Opacity of a picture below a map, on white: it stays to be seen, and colours show alike on its dark and its light parts. */
export const FADED = 0.6;
/** What black becomes when it is faded. */
export const DARKEST = '#666666';
/** Enlarged so much or more, a picture shows its pixels; below that, pixels of unequal width would only be ugly. */
const PIXELATED = 2;

/** Refuses what is no picture of its own. */
export function checkPicture(where: string, picture: string): void {
  if (!/^data:image\/(png|jpeg|webp);base64,[A-Za-z0-9+/=]+$/.test(picture))
    throw new RangeError(`${where} is ${JSON.stringify(picture.slice(0, 40))}; it needs a data URL of a PNG, JPEG or WebP`);
}

/** The bytes in a data URL. */
export function pictureBytes(picture: string): Uint8Array {
  return Buffer.from(picture.slice(picture.indexOf(',') + 1), 'base64');
}

/** The pixels of a PNG; of other formats, whose size is not read here, those of square patches of 16. */
export function pictureSize(picture: string, [rows, columns]: Grid): { width: number; height: number; known: boolean } {
  const size = pngSize(pictureBytes(picture));
  return size ? { ...size, known: true } : { width: 16 * columns, height: 16 * rows, known: false };
}

/** The same for the same picture, so that a page holds it once. */
function pictureId(picture: string): string {
  return `picture-${sha256(picture, 'hex').slice(0, 12)}`;
}

/** Pictures that `pictureDrawing` refers to, each of them once; one pixel of theirs is one unit. */
export function pictureDefinitions(pictures: readonly { readonly picture: string; readonly grid: Grid }[]): string {
  const images = new Map(
    pictures.map(({ picture, grid }) => {
      const { width, height } = pictureSize(picture, grid);
      const id = pictureId(picture);
      return [id, element('image', { id, width, height, preserveAspectRatio: 'none', href: picture })];
    }),
  );
  return element('defs', {}, [...images.values()].join(''));
}

/** A reference to a defined picture, in its own pixels, for a drawing that enlarges it `scale` times. */
export function pictureReference(picture: string, grid: Grid, scale: number): string {
  const sharp = scale >= PIXELATED && pictureSize(picture, grid).known;
  return element('use', { href: `#${pictureId(picture)}`, style: sharp ? 'image-rendering:pixelated' : undefined });
}

/** A defined picture at a width; the height follows from it. `faded`: below a map. */
export function pictureDrawing(picture: string, grid: Grid, width: number, faded = false): Drawing {
  const size = pictureSize(picture, grid);
  const scale = width / size.width;
  const height = scale * size.height;
  const attributes = { transform: `scale(${Number(scale.toFixed(6))})`, opacity: faded ? FADED : undefined };
  const body = [
    element('rect', { width, height, fill: '#ffffff' }),
    element('g', attributes, pictureReference(picture, grid, scale)),
    element('rect', { width, height, fill: 'none', stroke: HAIRLINE }),
  ];
  return { width, height, body: body.join('') };
}
