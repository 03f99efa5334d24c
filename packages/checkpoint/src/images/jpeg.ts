import { ContentError } from '../file-reading.js';
import type { Container } from './container.js';
import { isExif, orientationOf } from './exif.js';

/** Walks through the segments of a JPEG (ITU-T T.81 annex B) up to the end of the picture. @throws ContentError */
export function readJpeg(file: Uint8Array): Container {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const found: Container = { format: 'JPEG', width: 0, height: 0, orientation: 1, frames: 1 };
  let framed = false;
  for (let at = 2; ;) {
    at = nextMarker(file, at);
    const marker = file[at - 1]!;
    if (marker === 0xd9) {
      if (!framed) throw new ContentError('it ends without a picture; it is damaged');
      return found;
    }
    if (marker === 0x01 || marker === 0xd8) continue; // TEM, SOI: no content
    const length = at + 2 <= file.length ? view.getUint16(at) : 0;
    if (length < 2 || at + length > file.length)
      throw new ContentError(`a segment of ${length} bytes begins at byte ${at} of ${file.length}; it is truncated or damaged`);
    const content = file.subarray(at + 2, at + length);
    if (isFrameHeader(marker)) {
      if (framed) throw new ContentError('it has two frame headers; hierarchical JPEGs are not read');
      framed = true;
      if (content.length < 6) throw new ContentError(`its frame header has ${content.length} bytes; at least 6 are needed`);
      const components = content[5]!;
      if (components === 4)
        throw new ContentError('it is a JPEG of four channels (CMYK), whose colours depend on the printer; save it as RGB');
      if (components !== 1 && components !== 3) throw new ContentError(`it has ${components} channels; 1 (grey) or 3 (colour) are read`);
      if (content[0] !== 8) throw new ContentError(`it is a JPEG of ${content[0]} bits a channel; 8 are read`);
      Object.assign(found, { width: view.getUint16(at + 5), height: view.getUint16(at + 3) });
    } else if (marker === 0xe1 && isExif(content)) found.orientation = orientationOf(content);
    at += length;
  }
}

/** SOF0 to SOF15: all of 0xc0 to 0xcf except DHT, JPG and DAC. */
const isFrameHeader = (marker: number): boolean =>
  marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;

/** The place after the next marker: entropy-coded data holds 0xff only before a 0 or as a restart marker (T.81, B.1.1.5). */
function nextMarker(file: Uint8Array, from: number): number {
  for (let at = from; ;) {
    at = file.indexOf(0xff, at);
    if (at < 0 || at + 1 >= file.length)
      throw new ContentError(`it ends at byte ${file.length}, before the end of its picture; it is truncated`);
    const code = file[++at]!;
    if (code !== 0 && code !== 0xff && !(code >= 0xd0 && code <= 0xd7)) return at + 1;
  }
}
