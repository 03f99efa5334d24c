import { latin1 } from './latin1.js';

const prefix = 'Exif\0\0';

/** Whether bytes begin as an Exif segment of a JPEG does. */
export const isExif = (bytes: Uint8Array): boolean => latin1(bytes, 0, prefix.length) === prefix;

/**
 * The orientation (tag 274) that Exif data name, 1 where they name none that can be read: 1 upright, 2 mirrored, 3 turned by 180°,
 * 4 upside down in a mirror, 5 transposed, 6 to be turned clockwise, 7 transposed and turned by 180°, 8 to be turned counterclockwise.
 */
export function orientationOf(bytes: Uint8Array): number {
  const tiff = isExif(bytes) ? bytes.subarray(prefix.length) : bytes;
  const order = latin1(tiff, 0, 4);
  const little = order === 'II*\0';
  if (tiff.length < 8 || (!little && order !== 'MM\0*')) return 1;
  const view = new DataView(tiff.buffer, tiff.byteOffset, tiff.length);
  const directory = view.getUint32(4, little);
  if (directory + 2 > tiff.length) return 1;
  const entries = view.getUint16(directory, little);
  for (let at = directory + 2; at < directory + 2 + 12 * entries && at + 12 <= tiff.length; at += 12) {
    if (view.getUint16(at, little) !== 0x0112) continue;
    const value = view.getUint16(at + 8, little);
    return value >= 1 && value <= 8 ? value : 1;
  }
  return 1;
}
