import { ContentError } from '../file-reading.js';
import type { Container } from './container.js';
import { readJpeg } from './jpeg.js';
import { latin1 } from './latin1.js';
import { readPng } from './png.js';
import { readWebp } from './webp.js';

const readers = [
  { begins: 'PNG\r\n\x1a\n', at: 1, read: readPng },
  { begins: '\xff\xd8\xff', at: 0, read: readJpeg },
  { begins: 'WEBP', at: 8, read: readWebp },
];
/** Other formats, to be refused by their names. */
const others = [
  { begins: 'GIF8', at: 0, name: 'a GIF' },
  { begins: 'BM', at: 0, name: 'a BMP' },
  { begins: 'II*\0', at: 0, name: 'a TIFF' },
  { begins: 'MM\0*', at: 0, name: 'a TIFF' },
  { begins: 'ftypavi', at: 4, name: 'an AVIF' },
  { begins: 'ftyphei', at: 4, name: 'a HEIC' },
  { begins: 'ftypmif', at: 4, name: 'a HEIF' },
  { begins: '\0\0\0\x0cJXL ', at: 0, name: 'a JPEG XL' },
  { begins: '\xff\x0a', at: 0, name: 'a JPEG XL' },
  { begins: '\0\0\0\x0cjP  ', at: 0, name: 'a JPEG 2000' },
  { begins: '<svg', at: 0, name: 'an SVG' },
  { begins: '%PDF', at: 0, name: 'a PDF' },
];

/**
 * Reads what a PNG, JPEG or WebP says about its picture, and walks through all its parts to the end mark: decoders make up what a
 * file that was cut short lacks.
 * @throws ContentError for another format, by its name, for what is truncated, and for what no picture here can be made of
 */
export function readContainer(file: Uint8Array): Container {
  if (file.length === 0) throw new ContentError('it is empty');
  const starts = ({ begins, at }: { begins: string; at: number }): boolean => latin1(file, at, begins.length) === begins;
  const reader = readers.find(starts);
  if (!reader) {
    const other = others.find(starts)?.name;
    throw new ContentError(
      `it is ${other ? `${other} file` : 'no image'}; PNG, JPEG and WebP are read${other ? ': save it as one of these' : ''}`,
    );
  }
  const container = reader.read(file);
  if (container.width === 0 || container.height === 0)
    throw new ContentError(`its header says ${container.width} × ${container.height} pixels; at least 1 × 1 is needed`);
  return container;
}
