import { zlib } from './builtins.js';
import { parseColor } from './color.js';

export const SIGNATURE: Uint8Array = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);

/** A PNG chunk: length, type, data, checksum over type and data (PNG specification, section 5.3). */
function chunk(type: string, data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(data.length + 12);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  bytes.set(Buffer.from(type, 'latin1'), 4);
  bytes.set(data, 8);
  view.setUint32(data.length + 8, zlib().crc32(bytes.subarray(4, data.length + 8)));
  return bytes;
}

/** A whole file: 8 bits a channel, rows from the top, none filtered or interlaced. `color` is the specification's colour type. */
function file(pixels: Uint8Array, width: number, height: number, color: 3 | 6, palette: readonly Uint8Array[]): Uint8Array {
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header.set([8, color, 0, 0, 0], 8); // 8 bits, deflate, filters by row, not interlaced
  const stride = pixels.length / height;
  const rows = new Uint8Array(height * (stride + 1)); // each row opens with filter 0: none
  for (let row = 0; row < height; row++) rows.set(pixels.subarray(row * stride, (row + 1) * stride), row * (stride + 1) + 1);
  const parts = [SIGNATURE, chunk('IHDR', header), ...palette, chunk('IDAT', zlib().deflateSync(rows)), chunk('IEND', new Uint8Array())];
  return new Uint8Array(Buffer.concat(parts));
}

function checkSides(where: string, bytes: number, width: number, height: number, each: number): void {
  if (Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0 && bytes === each * width * height) return;
  const need = each === 1 ? 'one byte per pixel' : `${each} bytes per pixel`;
  throw new RangeError(`${where}: ${bytes / each} pixels for ${width} × ${height}; it needs ${need}, both sides above 0`);
}

/**
 * A PNG picture with a palette, one byte a pixel.
 * @param indices `[height, width]`, row-major, each the number of a colour in `palette`
 * @param palette 1 to 256 colours, `#rrggbb`
 * @throws RangeError if the sizes do not match or an index has no colour.
 */
export function encodePng(indices: Uint8Array, width: number, height: number, palette: readonly string[]): Uint8Array {
  checkSides('encodePng', indices.length, width, height, 1);
  if (palette.length < 1 || palette.length > 256)
    throw new RangeError(`encodePng: ${palette.length} colours in the palette; it needs 1 to 256`);
  const unknown = indices.findIndex((index) => index >= palette.length);
  if (unknown >= 0)
    throw new RangeError(`encodePng: pixel ${unknown} has colour ${indices[unknown]}; the palette ends at ${palette.length - 1}`);
  const colors = Uint8Array.from(palette.flatMap((color) => [...parseColor(color)]));
  return file(indices, width, height, 3, [chunk('PLTE', colors)]);
}

/**
 * A PNG picture of any colours, with opacity.
 * @param pixels `[height, width, 4]`, row-major: red, green, blue, opacity
 * @throws RangeError if the sizes do not match.
 */
export function encodeRgba(pixels: Uint8Array, width: number, height: number): Uint8Array {
  checkSides('encodeRgba', pixels.length, width, height, 4);
  return file(pixels, width, height, 6, []);
}
