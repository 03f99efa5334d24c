import { readFile, stat } from 'node:fs/promises';
import { ContentError, named } from '../file-reading.js';
import type { Container } from './container.js';
import { readContainer } from './formats.js';
import type { RgbImage } from './image.js';
import { codec } from './codec.js';
import { orient } from './orient.js';

/** A picture that was read from a file. */
export interface ReadImage extends RgbImage {
  /** what was done that the file did not say or that changed its colours: one sentence each, for people */
  notes: string[];
}

/** What `readImage` takes before it refuses. */
export interface ImageLimits {
  /** most pixels, in millions; default 64 */
  megapixels?: number;
  /** most bytes of the file; default 256 MiB */
  bytes?: number;
}

/**
 * Reads a PNG, JPEG or WebP as 8 bits of red, green and blue, upright: turned as its Exif orientation says, grey repeated in the three
 * channels, transparent parts over white, 16 bits a channel rounded to 8, the first picture of an animation. Colour profiles are not
 * applied. The file's size, its format and the number of its pixels are checked before it is decoded.
 * @param source a path, or the content of a file
 * @throws CheckpointError naming the file: not there, no regular file, empty, too large, truncated, damaged, of another format, of four
 * channels (CMYK)
 */
export async function readImage(source: string | Uint8Array, { megapixels = 64, bytes = 2 ** 28 }: ImageLimits = {}): Promise<ReadImage> {
  return named(typeof source === 'string' ? source : 'the bytes given', 'an image', async () => {
    const file = typeof source === 'string' ? await wholeFile(source, bytes) : source;
    const container = readContainer(file);
    const { width, height, orientation, frames } = container;
    if (width * height > megapixels * 1e6)
      throw new ContentError(
        `it has ${width} × ${height} pixels, ${((width * height) / 1e6).toFixed(1)} megapixels; at most ${megapixels} are read`,
      );
    const { data, notes } = await decoded(file, container);
    if (frames > 1) notes.push(`it has ${frames} pictures (an animation); the first was read`);
    if (orientation > 1) notes.push(`it was turned upright as its Exif orientation ${orientation} says`);
    return { ...orient({ width, height, channels: 3, data }, orientation), notes };
  });
}

async function wholeFile(path: string, limit: number): Promise<Uint8Array> {
  const file = await stat(path);
  if (file.isDirectory()) throw new ContentError('it is a folder; give one image file');
  if (!file.isFile()) throw new ContentError('it is no regular file');
  if (file.size > limit) throw new ContentError(`it has ${file.size} bytes; at most ${limit} are read`);
  return readFile(path);
}

/** How the decoder says that pixels are stored (its `JsColorType`, 0 to 7): channels, bytes a channel. */
const layouts = [
  { channels: 1, bytes: 1 },
  { channels: 2, bytes: 1 },
  { channels: 3, bytes: 1 },
  { channels: 4, bytes: 1 },
  { channels: 1, bytes: 2 },
  { channels: 2, bytes: 2 },
  { channels: 3, bytes: 2 },
  { channels: 4, bytes: 2 },
];

async function decoded(file: Uint8Array, { format, width, height }: Container): Promise<{ data: Uint8Array; notes: string[] }> {
  const { Transformer } = await codec();
  let stored: { width: number; height: number; colorType: number };
  let raw: Uint8Array;
  try {
    const decoder = new Transformer(file);
    stored = await decoder.metadata();
    raw = await decoder.rawPixels();
  } catch (error) {
    throw new ContentError(`it is a damaged ${format} file: ${(error as Error).message.trim()}`, { cause: error });
  }
  const layout = layouts[stored.colorType];
  if (!layout) throw new ContentError(`its pixels are stored in a way that is not read (type ${stored.colorType})`);
  if (stored.width !== width || stored.height !== height || raw.length !== width * height * layout.channels * layout.bytes)
    throw new ContentError(
      `its header says ${width} × ${height} pixels, its picture has ${stored.width} × ${stored.height}; it is damaged`,
    );
  const notes: string[] = [];
  if (layout.bytes === 2) notes.push('it has 16 bits a channel; they were rounded to 8');
  const values = layout.bytes === 2 ? eightBits(raw) : new Uint8Array(raw.buffer, raw.byteOffset, raw.length);
  return { data: overWhite(values, layout.channels, notes), notes };
}

/** 16 bits, little-endian as on every machine that the decoder is built for, to 8: 65535 becomes 255. */
function eightBits(raw: Uint8Array): Uint8Array {
  const values = new Uint8Array(raw.length / 2);
  const wide = new DataView(raw.buffer, raw.byteOffset, raw.length);
  for (let i = 0; i < values.length; i++) values[i] = Math.round(wide.getUint16(2 * i, true) / 257);
  return values;
}

/** Red, green and blue of 1 (grey), 2 (grey, alpha), 3 or 4 (with alpha) channels; what is transparent mixes with white. */
function overWhite(values: Uint8Array, channels: number, notes: string[]): Uint8Array {
  if (channels === 3) return values;
  const colours = channels < 3 ? 1 : 3;
  const data = new Uint8Array((values.length / channels) * 3);
  let transparent = false;
  for (let from = 0, to = 0; from < values.length; from += channels) {
    const alpha = colours === channels ? 255 : values[from + colours]!;
    if (alpha < 255) transparent = true;
    for (let c = 0; c < 3; c++) {
      const value = values[from + (colours === 1 ? 0 : c)]!;
      data[to++] = alpha === 255 ? value : Math.round((value * alpha + 255 * (255 - alpha)) / 255);
    }
  }
  if (transparent) notes.push('it is partly transparent; it was laid over white');
  return data;
}
