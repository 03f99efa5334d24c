import { ContentError } from '../file-reading.js';
import { ggufTypes, typeByCode, type GgufType } from './types.js';

/** Numbers of an array in a file's metadata; booleans as 0 and 1. */
export type GgufNumbers =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | BigUint64Array
  | BigInt64Array
  | Float64Array;

/** A value of a file's metadata. */
export type GgufValue = number | bigint | boolean | string | GgufNumbers | readonly GgufValue[];

/** A tensor's place in the file. */
export interface GgufPlace {
  name: string;
  type: GgufType;
  /** row-major: the reverse of the file's order */
  shape: readonly number[];
  /** number of numbers */
  count: number;
  begin: number;
  end: number;
}

export interface GgufHeader {
  metadata: ReadonlyMap<string, GgufValue>;
  places: readonly GgufPlace[];
}

/** The bytes given end inside of the header, and the file has more. */
export class MoreNeeded extends Error {}

/** A type of metadata: how one value is read, and the array that holds many as they are in the file. */
interface ValueType {
  array: { new (buffer: ArrayBuffer): GgufNumbers; readonly BYTES_PER_ELEMENT: number };
  read(view: DataView, at: number): number | bigint | boolean;
}

/** Types of metadata, by number; 8 is a text and 9 an array. */
const valueTypes: Readonly<Record<number, ValueType>> = {
  0: { array: Uint8Array, read: (view, at) => view.getUint8(at) },
  1: { array: Int8Array, read: (view, at) => view.getInt8(at) },
  2: { array: Uint16Array, read: (view, at) => view.getUint16(at, true) },
  3: { array: Int16Array, read: (view, at) => view.getInt16(at, true) },
  4: { array: Uint32Array, read: (view, at) => view.getUint32(at, true) },
  5: { array: Int32Array, read: (view, at) => view.getInt32(at, true) },
  6: { array: Float32Array, read: (view, at) => view.getFloat32(at, true) },
  7: { array: Uint8Array, read: (view, at) => view.getUint8(at) !== 0 },
  10: { array: BigUint64Array, read: (view, at) => view.getBigUint64(at, true) },
  11: { array: BigInt64Array, read: (view, at) => view.getBigInt64(at, true) },
  12: { array: Float64Array, read: (view, at) => view.getFloat64(at, true) },
};
const text = 8;
const array = 9;

/** Bytes, read from the front. */
class Reader {
  at = 0;
  readonly #view: DataView;
  constructor(
    readonly bytes: Uint8Array,
    readonly size: number,
  ) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
  /** Where `count` further bytes begin. */
  take(count: number): number {
    if (!(count <= this.size - this.at))
      throw new ContentError(`its header ends at byte ${this.at}, where ${count} bytes are due; it is truncated or damaged`);
    if (count > this.bytes.length - this.at) throw new MoreNeeded();
    this.at += count;
    return this.at - count;
  }
  u32(): number {
    return this.#view.getUint32(this.take(4), true);
  }
  /** A number of bytes or items: at most as many as the file has bytes. */
  length(what: string): number {
    const value = this.#view.getBigUint64(this.take(8), true);
    if (value > BigInt(this.size)) throw new ContentError(`${what} is ${value}; the file has ${this.size} bytes: it is damaged`);
    return Number(value);
  }
  text(): string {
    const length = this.length('the length of a text');
    const start = this.take(length);
    return Buffer.from(this.bytes.buffer, this.bytes.byteOffset + start, length).toString('utf8');
  }
  value(type: number, depth = 0): GgufValue {
    if (type === text) return this.text();
    if (type === array) {
      if (depth > 4) throw new ContentError('its metadata holds arrays more than 4 deep in one another; it is damaged');
      const inner = this.u32();
      const count = this.length('the length of an array');
      const each = valueTypes[inner];
      if (each) {
        const bytes = count * each.array.BYTES_PER_ELEMENT;
        const start = this.bytes.byteOffset + this.take(bytes);
        // a copy, since it may stand at any byte; a list of JavaScript's would take many times the bytes of the file
        return new each.array((this.bytes.buffer as ArrayBuffer).slice(start, start + bytes));
      }
      const items: GgufValue[] = [];
      for (let i = 0; i < count; i++) items.push(this.value(inner, depth + 1));
      return items;
    }
    const known = valueTypes[type];
    if (!known) throw new ContentError(`its metadata has a value of type ${type}, which is not known; it is damaged`);
    return known.read(this.#view, this.take(known.array.BYTES_PER_ELEMENT));
  }
}

/** Tensors that a file may hold. */
const mostTensors = 1_000_000;

/**
 * Reads the header of a GGUF file, versions 2 and 3, and checks every tensor's place.
 * @param bytes the first bytes of the file
 * @param size of the whole file
 * @throws ContentError; MoreNeeded where `bytes` do not reach to the header's end
 */
export function parseGgufHeader(bytes: Uint8Array, size: number): GgufHeader {
  const reader = new Reader(bytes, size);
  const start = reader.take(4);
  if (Buffer.from(bytes.subarray(start, 4)).toString('latin1') !== 'GGUF') throw new ContentError('it does not begin with "GGUF"');
  const version = reader.u32();
  if (version >> 16 > 0) throw new ContentError('its numbers are big-endian, which is not read');
  if (version !== 2 && version !== 3) throw new ContentError(`its version is ${version}; 2 and 3 are read`);
  const tensors = reader.length('the number of its tensors');
  const entries = reader.length('the number of its metadata');
  if (tensors > mostTensors) throw new ContentError(`it claims ${tensors} tensors; it is damaged`);
  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < entries; i++) {
    const key = reader.text();
    if (metadata.has(key)) throw new ContentError(`the metadata ${JSON.stringify(key)} stand twice in it`);
    metadata.set(key, reader.value(reader.u32()));
  }
  const described = Array.from({ length: tensors }, () => describe(reader));
  const alignment = Number(metadata.get('general.alignment') ?? 32);
  if (!Number.isInteger(alignment) || alignment < 1 || alignment > 65536)
    throw new ContentError(`its alignment is ${alignment}; it is damaged`);
  const data = Math.ceil(reader.at / alignment) * alignment;
  const names = new Set<string>();
  const places = described.map(({ offset, ...rest }): GgufPlace => {
    const wrong = (what: string): ContentError => new ContentError(`tensor ${JSON.stringify(rest.name)}: ${what}`);
    if (names.has(rest.name)) throw wrong('it stands twice in the file');
    names.add(rest.name);
    if (offset % alignment !== 0) throw wrong(`it begins at byte ${offset} of the data, which is no multiple of ${alignment}`);
    const begin = data + offset;
    const end = begin + (rest.count / rest.type.block) * rest.type.bytes;
    if (!(end <= size)) throw wrong(`it ends at byte ${end}; the file has ${size}: it is truncated or damaged`);
    return { ...rest, begin, end };
  });
  let [covered, before] = [0, ''];
  for (const { name, begin, end } of places.toSorted((a, b) => a.begin - b.begin)) {
    if (end > begin && begin < covered) throw new ContentError(`tensors ${JSON.stringify(before)} and ${JSON.stringify(name)} overlap`);
    if (end > begin) [covered, before] = [end, name];
  }
  return { metadata, places };
}

function describe(reader: Reader): Omit<GgufPlace, 'begin' | 'end'> & { offset: number } {
  const name = reader.text();
  const axes = reader.u32();
  if (axes > 8) throw new ContentError(`tensor ${JSON.stringify(name)} has ${axes} axes; it is damaged`);
  const sizes: number[] = [];
  let count = 1;
  for (let axis = 0; axis < axes; axis++) {
    const size = reader.value(10) as bigint;
    count *= Number(size);
    if (!Number.isSafeInteger(count))
      throw new ContentError(`tensor ${JSON.stringify(name)} has a shape too large to count; it is damaged`);
    sizes.push(Number(size));
  }
  const code = reader.u32();
  const offset = reader.value(10) as bigint;
  const type = typeByCode.get(code);
  if (!type)
    throw new ContentError(
      `tensor ${JSON.stringify(name)} is of type ${code}, which is not read; known: ${ggufTypes.map((known) => known.name).join(', ')}`,
    );
  if ((sizes[0] ?? 1) % type.block !== 0)
    throw new ContentError(`tensor ${JSON.stringify(name)} has rows of ${sizes[0]}; ${type.name} comes in blocks of ${type.block}`);
  return { name, type, shape: sizes.toReversed(), count, offset: Number(offset) };
}
