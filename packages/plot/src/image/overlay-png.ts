import { parseColor } from '../color.js';
import { decodePng } from '../decode-png.js';
import { encodeRgba } from '../png.js';
import { shareAt } from './heat.js';
import { checkOverlay, type ImageOverlay } from './overlay.js';
import { heatColor, scaleOf, shares, THICKEST } from './patches.js';
import { FADED, pictureBytes } from './picture.js';

/** What shows of `below` under a colour of some opacity. */
const blend = (below: number, above: number, opacity: number): number => below + opacity * (above - below);

/**
 * An image with a map of its patches over it, as the bytes of a PNG, without legend: for slides, and where SVG is not read. Every pixel of
 * the picture becomes a square of the largest whole number of pixels that `width` (default 320) allows, at least one.
 * @throws RangeError as `imageOverlay` does, and for a picture that is no PNG of 8 bits a channel.
 */
export function overlayPng(overlay: Omit<ImageOverlay, 'title'>): Uint8Array {
  checkOverlay('overlayPng', overlay);
  const { picture, grid, scores, signed, view = 'patches', width: wanted = 320 } = overlay;
  const { width, height, data } = decodePng('overlayPng: picture', pictureBytes(picture));
  const values = shares(scores, scaleOf('overlayPng', overlay));
  const times = Math.max(1, Math.floor(wanted / width));
  const [wide, tall] = [width * times, height * times];
  const pixels = new Uint8Array(4 * wide * tall).fill(255);
  for (let row = 0; row < tall; row++)
    for (let column = 0; column < wide; column++) {
      const share = shareAt(values, grid, ((row + 0.5) * grid[0]) / tall, ((column + 0.5) * grid[1]) / wide, view);
      const color = parseColor(heatColor(share, signed));
      const source = 4 * (Math.floor(row / times) * width + Math.floor(column / times));
      const opacity = (FADED * data[source + 3]!) / 255;
      for (let axis = 0; axis < 3; axis++) {
        const below = blend(255, data[source + axis]!, opacity);
        pixels[4 * (row * wide + column) + axis] = Math.round(blend(below, color[axis]!, THICKEST * Math.abs(share)));
      }
    }
  return encodeRgba(pixels, wide, tall);
}
