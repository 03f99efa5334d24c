import { widen, type StoredDType } from '../dtypes.js';

/** An element type of GGUF files: numbers in blocks. */
export interface GgufType {
  name: string;
  /** its number in the file */
  code: number;
  /** numbers a block, and bytes that it takes */
  block: number;
  bytes: number;
  /** the type that its numbers are given as */
  dtype: StoredDType;
  /** numbers of one block, for types that are more than stored numbers; `at`: where it begins in `from` and in `to` */
  decode?: (from: DataView, at: number, to: Float32Array, start: number) => void;
  /** of a type whose blocks are groups of int8: copies the whole numbers of one block and gives their scale */
  group?: (from: DataView, at: number, to: Int8Array, start: number) => number;
}

const half = new Float32Array(1);
const halfBits = new Uint16Array(1);
function f16(view: DataView, at: number): number {
  halfBits[0] = view.getUint16(at, true);
  widen('F16', halfBits, half);
  return half[0]!;
}

/** 32 numbers of 4 bits, and a fifth bit of each in `high`: the first 16 in the low halves of the bytes, the others in the high ones. */
function nibbles(view: DataView, at: number, high: number, each: (i: number, value: number) => void): void {
  for (let j = 0; j < 16; j++) {
    const byte = view.getUint8(at + j);
    each(j, (byte & 15) | (((high >>> j) & 1) << 4));
    each(j + 16, (byte >> 4) | (((high >>> (j + 16)) & 1) << 4));
  }
}

/** The 6-bit scale and minimum of part j of a block of 256 (Q4_K, Q5_K), packed into 12 bytes. */
function scaleAndMinimum(view: DataView, at: number, j: number): [scale: number, minimum: number] {
  const byte = (i: number): number => view.getUint8(at + i);
  if (j < 4) return [byte(j) & 63, byte(j + 4) & 63];
  return [(byte(j + 4) & 15) | ((byte(j - 4) >> 6) << 4), (byte(j + 4) >> 4) | ((byte(j) >> 6) << 4)];
}

/** Q4_K and Q5_K: 8 parts of 32 numbers, each scale·q − minimum; `high`: where the fifth bits stand, if there are any. */
function kBlock(view: DataView, at: number, to: Float32Array, start: number, high: number | undefined, low: number): void {
  const [d, minimum] = [f16(view, at), f16(view, at + 2)];
  for (let part = 0; part < 8; part++) {
    const [scale, m] = scaleAndMinimum(view, at + 4, part);
    for (let l = 0; l < 32; l++) {
      const byte = view.getUint8(low + 32 * (part >> 1) + l);
      const fifth = high === undefined ? 0 : ((view.getUint8(high + l) >> part) & 1) << 4;
      to[start + 32 * part + l] = d * scale * ((part & 1 ? byte >> 4 : byte & 15) | fifth) - minimum * m;
    }
  }
}

const plain = (name: string, code: number, bytes: number, dtype: StoredDType): GgufType => ({ name, code, block: 1, bytes, dtype });

/** The types that are read. */
export const ggufTypes: readonly GgufType[] = [
  plain('F32', 0, 4, 'F32'),
  plain('F16', 1, 2, 'F16'),
  plain('BF16', 30, 2, 'BF16'),
  plain('F64', 28, 8, 'F64'),
  plain('I8', 24, 1, 'I8'),
  plain('I16', 25, 2, 'I16'),
  plain('I32', 26, 4, 'I32'),
  plain('I64', 27, 8, 'I64'),
  {
    name: 'Q4_0',
    code: 2,
    block: 32,
    bytes: 18,
    dtype: 'F32',
    decode(view, at, to, start) {
      const d = f16(view, at);
      nibbles(view, at + 2, 0, (i, q) => (to[start + i] = (q - 8) * d));
    },
  },
  {
    name: 'Q4_1',
    code: 3,
    block: 32,
    bytes: 20,
    dtype: 'F32',
    decode(view, at, to, start) {
      const [d, m] = [f16(view, at), f16(view, at + 2)];
      nibbles(view, at + 4, 0, (i, q) => (to[start + i] = q * d + m));
    },
  },
  {
    name: 'Q5_0',
    code: 6,
    block: 32,
    bytes: 22,
    dtype: 'F32',
    decode(view, at, to, start) {
      const d = f16(view, at);
      nibbles(view, at + 6, view.getUint32(at + 2, true), (i, q) => (to[start + i] = (q - 16) * d));
    },
  },
  {
    name: 'Q5_1',
    code: 7,
    block: 32,
    bytes: 24,
    dtype: 'F32',
    decode(view, at, to, start) {
      const [d, m] = [f16(view, at), f16(view, at + 2)];
      nibbles(view, at + 8, view.getUint32(at + 4, true), (i, q) => (to[start + i] = q * d + m));
    },
  },
  {
    name: 'Q8_0',
    code: 8,
    block: 32,
    bytes: 34,
    dtype: 'F32',
    decode(view, at, to, start) {
      const d = f16(view, at);
      for (let i = 0; i < 32; i++) to[start + i] = view.getInt8(at + 2 + i) * d;
    },
    group(view, at, to, start) {
      to.set(new Int8Array(view.buffer, view.byteOffset + at + 2, 32), start);
      return f16(view, at);
    },
  },
  {
    name: 'Q4_K',
    code: 12,
    block: 256,
    bytes: 144,
    dtype: 'F32',
    decode: (view, at, to, start) => kBlock(view, at, to, start, undefined, at + 16),
  },
  {
    name: 'Q5_K',
    code: 13,
    block: 256,
    bytes: 176,
    dtype: 'F32',
    decode: (view, at, to, start) => kBlock(view, at, to, start, at + 16, at + 48),
  },
  {
    name: 'Q6_K',
    code: 14,
    block: 256,
    bytes: 210,
    dtype: 'F32',
    decode(view, at, to, start) {
      const d = f16(view, at + 208);
      for (let part = 0; part < 2; part++)
        for (let l = 0; l < 32; l++) {
          const high = view.getUint8(at + 128 + 32 * part + l);
          const [a, b] = [view.getUint8(at + 64 * part + l), view.getUint8(at + 64 * part + 32 + l)];
          [a & 15, b & 15, a >> 4, b >> 4].forEach((low, quarter) => {
            const scale = view.getInt8(at + 192 + 8 * part + 2 * quarter + (l >> 4));
            to[start + 128 * part + 32 * quarter + l] = d * scale * ((low | (((high >> (2 * quarter)) & 3) << 4)) - 32);
          });
        }
    },
  },
];

export const typeByCode: ReadonlyMap<number, GgufType> = new Map(ggufTypes.map((type) => [type.code, type]));
