import { crc32, deflateSync } from 'node:zlib';
import { parseColor } from './color.js';

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);

/** A PNG chunk: length, type, data, checksum over type and data (PNG specification, section 5.3). */
function chunk(type: string, data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(data.length + 12);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  bytes.set(Buffer.from(type, 'latin1'), 4);
  bytes.set(data, 8);
  view.setUint32(data.length + 8, crc32(bytes.subarray(4, data.length + 8)));
  return bytes;
}

/**
 * A PNG picture with a palette, one byte a pixel.
 * @param indices `[height, width]`, row-major, each the number of a colour in `palette`
 * @param palette 1 to 256 colours, `#rrggbb`
 * @throws RangeError if the sizes do not match or an index has no colour.
 */
export function encodePng(indices: Uint8Array, width: number, height: number, palette: readonly string[]): Uint8Array {
  if (!(Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0 && indices.length === width * height))
    throw new RangeError(`encodePng: ${indices.length} pixels for ${width} × ${height}; it needs one byte per pixel, both sides above 0`);
  if (palette.length < 1 || palette.length > 256)
    throw new RangeError(`encodePng: ${palette.length} colours in the palette; it needs 1 to 256`);
  const unknown = indices.findIndex((index) => index >= palette.length);
  if (unknown >= 0)
    throw new RangeError(`encodePng: pixel ${unknown} has colour ${indices[unknown]}; the palette ends at ${palette.length - 1}`);
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header.set([8, 3, 0, 0, 0], 8); // 8 bits, palette, deflate, filters by row, not interlaced
  const rows = new Uint8Array(height * (width + 1)); // each row opens with filter 0: none
  for (let row = 0; row < height; row++) rows.set(indices.subarray(row * width, (row + 1) * width), row * (width + 1) + 1);
  const colors = Uint8Array.from(palette.flatMap((color) => [...parseColor(color)]));
  const parts = [
    SIGNATURE,
    chunk('IHDR', header),
    chunk('PLTE', colors),
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', new Uint8Array()),
  ];
  return new Uint8Array(Buffer.concat(parts));
}
