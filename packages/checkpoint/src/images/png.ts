import { ContentError } from '../file-reading.js';
import type { Container } from './container.js';
import { orientationOf } from './exif.js';
import { latin1 } from './latin1.js';

/** Walks through the chunks of a PNG (W3C PNG, third edition, sections 5 and 11) up to IEND. @throws ContentError */
export function readPng(file: Uint8Array): Container {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const found: Container = { format: 'PNG', width: 0, height: 0, orientation: 1, frames: 1 };
  for (let at = 8; ;) {
    if (at + 12 > file.length) throw new ContentError(`it ends at byte ${file.length}, before its IEND chunk; it is truncated`);
    const length = view.getUint32(at);
    const type = latin1(file, at + 4, 4);
    const data = at + 8;
    if (at === 8 && (type !== 'IHDR' || length !== 13)) throw new ContentError('its first chunk is no IHDR of 13 bytes; it is damaged');
    if (data + length + 4 > file.length)
      throw new ContentError(`a chunk of ${length} bytes begins at byte ${at} of ${file.length}; it is truncated or damaged`);
    if (type === 'IHDR') Object.assign(found, { width: view.getUint32(data), height: view.getUint32(data + 4) });
    else if (type === 'acTL' && length >= 4) found.frames = Math.max(1, view.getUint32(data));
    else if (type === 'eXIf') found.orientation = orientationOf(file.subarray(data, data + length));
    else if (type === 'IEND') return found;
    at = data + length + 4;
  }
}
