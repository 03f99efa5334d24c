import { ContentError } from '../file-reading.js';
import type { Container } from './container.js';
import { orientationOf } from './exif.js';
import { latin1 } from './latin1.js';

/** Walks through the chunks of a WebP (RFC 9649, section 2) to the end of its RIFF. @throws ContentError */
export function readWebp(file: Uint8Array): Container {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const end = view.getUint32(4, true) + 8;
  if (end > file.length) throw new ContentError(`it says it has ${end} bytes and has ${file.length}; it is truncated`);
  const found: Container = { format: 'WebP', width: 0, height: 0, orientation: 1, frames: 1 };
  let frames = 0;
  for (let at = 12; at + 8 <= end;) {
    const type = latin1(file, at, 4);
    const length = view.getUint32(at + 4, true);
    const data = at + 8;
    if (data + length > end)
      throw new ContentError(`a chunk of ${length} bytes begins at byte ${at} of ${end}; it is truncated or damaged`);
    if (type === 'ANMF') frames++;
    else if (type === 'EXIF') found.orientation = orientationOf(file.subarray(data, data + length));
    else if (found.width === 0) Object.assign(found, sizeOf(type, view, data, length));
    at = data + length + (length % 2);
  }
  if (found.width === 0) throw new ContentError('it holds no picture; it is damaged');
  return { ...found, frames: Math.max(1, frames) };
}

/** Width and height where a chunk says them. */
function sizeOf(type: string, view: DataView, data: number, length: number): { width: number; height: number } | undefined {
  if (type === 'VP8L' && length >= 5) {
    const bits = view.getUint32(data + 1, true);
    return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
  }
  if (length < 10) return undefined;
  if (type === 'VP8 ') return { width: view.getUint16(data + 6, true) & 0x3fff, height: view.getUint16(data + 8, true) & 0x3fff };
  const three = (at: number): number => view.getUint16(at, true) + view.getUint8(at + 2) * 0x10000;
  return type === 'VP8X' ? { width: three(data + 4) + 1, height: three(data + 7) + 1 } : undefined;
}
