import { zlib } from './builtins.js';
import { SIGNATURE } from './png.js';

/** Pixels from the top left. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  /** `[height, width, 4]`: red, green, blue, opacity */
  readonly data: Uint8Array;
}

/** Bytes a pixel of each colour type of the PNG specification (section 11.2.1) at 8 bits. */
const CHANNELS: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };

/** Width and height as the header of a PNG says them; undefined where the bytes are no PNG. */
export function pngSize(bytes: Uint8Array): { width: number; height: number } | undefined {
  if (bytes.length < 33 || SIGNATURE.some((byte, at) => bytes[at] !== byte)) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const [width, height] = [view.getUint32(16), view.getUint32(20)];
  return width > 0 && height > 0 ? { width, height } : undefined;
}

/** The data of each kind of chunk, the pieces of one kind joined. */
function chunks(bytes: Uint8Array): Map<string, Uint8Array> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const found = new Map<string, Uint8Array>();
  for (let at = 8; at + 12 <= bytes.length;) {
    const length = view.getUint32(at);
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    const data = bytes.subarray(at + 8, at + 8 + length);
    found.set(type, new Uint8Array(Buffer.concat([found.get(type) ?? new Uint8Array(), data])));
    at += length + 12;
  }
  return found;
}

/** Paeth's predictor (PNG specification, section 9.4): whichever of left, above and above left is nearest to left + above − above left. */
function paeth(left: number, above: number, corner: number): number {
  const [a, b, c] = [Math.abs(above - corner), Math.abs(left - corner), Math.abs(left + above - 2 * corner)];
  return a <= b && a <= c ? left : b <= c ? above : corner;
}

/** Rows that open with the number of their filter → plain bytes (PNG specification, section 9). */
function unfilter(rows: Uint8Array, stride: number, height: number, step: number): Uint8Array {
  const plain = new Uint8Array(stride * height);
  for (let row = 0; row < height; row++) {
    const filter = rows[row * (stride + 1)]!;
    for (let at = 0; at < stride; at++) {
      const place = row * stride + at;
      const left = at >= step ? plain[place - step]! : 0;
      const above = row > 0 ? plain[place - stride]! : 0;
      const corner = at >= step && row > 0 ? plain[place - stride - step]! : 0;
      const guess = [0, left, above, (left + above) >> 1, paeth(left, above, corner)][filter] ?? 0;
      plain[place] = rows[row * (stride + 1) + 1 + at]! + guess;
    }
  }
  return plain;
}

/**
 * The pixels of a PNG of 8 bits a channel, of any colour type, not interlaced: what models' pictures are.
 * @throws RangeError that says what else it is.
 */
export function decodePng(where: string, bytes: Uint8Array): Pixels {
  const size = pngSize(bytes);
  if (!size) throw new RangeError(`${where} is no PNG; it needs one, 8 bits a channel`);
  const { width, height } = size;
  const [bits, color, , , interlaced] = bytes.subarray(24, 29);
  const channels = CHANNELS[color!];
  const parts = chunks(bytes);
  if (bits !== 8 || interlaced !== 0 || channels === undefined || (color !== 3 && parts.has('tRNS'))) {
    const kind = `${bits} bits, colour type ${color}${interlaced ? ', interlaced' : ''}${parts.has('tRNS') ? ', one colour transparent' : ''}`;
    throw new RangeError(`${where} is a PNG of ${kind}; it needs 8 bits a channel, not interlaced`);
  }
  const stride = width * channels;
  let rows: Uint8Array;
  try {
    rows = zlib().inflateSync(parts.get('IDAT') ?? new Uint8Array(), { maxOutputLength: height * (stride + 1) });
  } catch (cause) {
    throw new RangeError(`${where}: the pixels of this PNG cannot be unpacked; it is damaged`, { cause });
  }
  if (rows.length !== height * (stride + 1)) throw new RangeError(`${where} is a PNG that ends early; it is damaged`);
  const plain = unfilter(rows, stride, height, channels);
  const [palette, opacity] = [parts.get('PLTE'), parts.get('tRNS')];
  const data = new Uint8Array(4 * width * height);
  for (let pixel = 0; pixel < width * height; pixel++) {
    const at = pixel * channels;
    const [first, second, third, fourth] = plain.subarray(at, at + channels);
    if (color === 3) data.set([...[0, 1, 2].map((axis) => palette?.[3 * first! + axis] ?? 0), opacity?.[first!] ?? 255], 4 * pixel);
    else if (channels <= 2) data.set([first!, first!, first!, second ?? 255], 4 * pixel);
    else data.set([first!, second!, third!, fourth ?? 255], 4 * pixel);
  }
  return { width, height, data };
}
