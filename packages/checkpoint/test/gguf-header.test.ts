// The header of GGUF files, written here byte by byte as its specification says.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MoreNeeded, parseGgufHeader, type GgufHeader, type GgufValue } from '../src/gguf/header.js';
import { ContentError } from '../src/file-reading.js';

const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};
const u64 = (value: number | bigint): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
};
const text = (value: string): Buffer => Buffer.concat([u64(Buffer.byteLength(value)), Buffer.from(value)]);

/** A value of a type of the format, and its bytes. */
interface Typed {
  type: number;
  value: GgufValue;
  bytes: Buffer;
}
const write = (size: number, set: (bytes: Buffer) => void): Buffer => {
  const bytes = Buffer.alloc(size);
  set(bytes);
  return bytes;
};
const bits = (signed: boolean, size: number): fc.Arbitrary<number> =>
  signed ? fc.integer({ min: -(2 ** (size - 1)), max: 2 ** (size - 1) - 1 }) : fc.integer({ min: 0, max: 2 ** size - 1 });
const scalars: fc.Arbitrary<Typed>[] = [
  bits(false, 8).map((value) => ({ type: 0, value, bytes: write(1, (to) => to.writeUInt8(value)) })),
  bits(true, 8).map((value) => ({ type: 1, value, bytes: write(1, (to) => to.writeInt8(value)) })),
  bits(false, 16).map((value) => ({ type: 2, value, bytes: write(2, (to) => to.writeUInt16LE(value)) })),
  bits(true, 16).map((value) => ({ type: 3, value, bytes: write(2, (to) => to.writeInt16LE(value)) })),
  bits(false, 32).map((value) => ({ type: 4, value, bytes: u32(value) })),
  bits(true, 32).map((value) => ({ type: 5, value, bytes: write(4, (to) => to.writeInt32LE(value)) })),
  fc.float({ noNaN: true }).map((value) => ({ type: 6, value, bytes: write(4, (to) => to.writeFloatLE(value)) })),
  fc.boolean().map((value) => ({ type: 7, value, bytes: Buffer.from([Number(value)]) })),
  fc.string({ unit: 'binary' }).map((value) => ({ type: 8, value, bytes: text(value) })),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((value) => ({ type: 10, value, bytes: u64(value) })),
  fc
    .bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
    .map((value) => ({ type: 11, value, bytes: write(8, (to) => to.writeBigInt64LE(value)) })),
  fc.double({ noNaN: true }).map((value) => ({ type: 12, value, bytes: write(8, (to) => to.writeDoubleLE(value)) })),
];
const arrayOf = (inner: number, items: readonly Typed[]): Typed => ({
  type: 9,
  value: items.map(({ value }) => value),
  bytes: Buffer.concat([u32(inner), u64(items.length), ...items.map(({ bytes }) => bytes)]),
});
const scalar = fc.oneof(...scalars);
const array = fc.oneof(...scalars.map((one) => fc.array(one).map((items) => arrayOf(items[0]?.type ?? 4, items))));
const value = fc.oneof(
  scalar,
  array,
  fc.array(array).map((items) => arrayOf(9, items)),
);

interface Entry {
  name: string;
  /** the file's order: the shortest step first */
  sizes: readonly (number | bigint)[];
  type?: number;
  offset: number | bigint;
}
const f32 = 0;

/** The bytes of a file with this header and `data` bytes behind it. */
function file(
  { version = 3, metadata = [], tensors = [] }: { version?: number; metadata?: readonly [string, Typed][]; tensors?: readonly Entry[] },
  data = 0,
  alignment = 32,
): Buffer {
  const header = Buffer.concat([
    Buffer.from('GGUF'),
    u32(version),
    u64(tensors.length),
    u64(metadata.length),
    ...metadata.flatMap(([key, { type, bytes }]) => [text(key), u32(type), bytes]),
    ...tensors.flatMap(({ name, sizes, type = f32, offset }) => [text(name), u32(sizes.length), ...sizes.map(u64), u32(type), u64(offset)]),
  ]);
  return Buffer.concat([header, Buffer.alloc(Math.ceil(header.length / alignment) * alignment - header.length + data)]);
}
const parse = (bytes: Buffer): GgufHeader => parseGgufHeader(bytes, bytes.length);
const number = (of: number): Typed => ({ type: 4, value: of, bytes: u32(of) });

/** Arrays as lists; in arrays of booleans 0 and 1. */
const plain = (found: GgufValue): unknown =>
  typeof found === 'object' ? Array.from(found as ArrayLike<GgufValue>, (item) => plain(item)) : found;
const numbered = (written: GgufValue, inside = false): unknown => {
  if (Array.isArray(written)) return written.map((item) => numbered(item as GgufValue, true));
  return inside && typeof written === 'boolean' ? Number(written) : written;
};

test('metadata of every type come back as they were, in versions 2 and 3', () => {
  const entries = fc.uniqueArray(fc.tuple(fc.string(), value), { selector: ([key]) => key, maxLength: 8 });
  fc.assert(
    fc.property(fc.constantFrom(2, 3), entries, (version, written) => {
      const metadata = written.filter(([key]) => key !== 'general.alignment');
      const { metadata: read } = parse(file({ version, metadata }));
      expect([...read.keys()]).toEqual(metadata.map(([key]) => key));
      for (const [key, { value: expected }] of metadata) {
        const found = read.get(key)!;
        expect(plain(found)).toEqual(numbered(expected));
      }
    }),
  );
});

test('tensors lie where their offsets say, row-major, at every alignment', () => {
  const shapes = fc.uniqueArray(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 }), {
    selector: String,
    maxLength: 6,
  });
  fc.assert(
    fc.property(shapes, fc.constantFrom(8, 32, 64, 4096), (written, alignment) => {
      let data = 0;
      const tensors = written.map((sizes): Entry => {
        const offset = data;
        data += Math.ceil((4 * sizes.reduce((a, b) => a * b)) / alignment) * alignment;
        return { name: `t${sizes.join('x')}`, sizes, offset };
      });
      const bytes = file({ metadata: [['general.alignment', number(alignment)]], tensors }, data, alignment);
      const { places } = parse(bytes);
      expect(places.map(({ name }) => name)).toEqual(tensors.map(({ name }) => name));
      for (const [i, { shape, count, begin, end }] of places.entries()) {
        expect(shape).toEqual(written[i]!.toReversed());
        expect(begin).toBe(bytes.length - data + Number(tensors[i]!.offset));
        expect([end - begin, count]).toEqual([4 * count, written[i]!.reduce((a, b) => a * b)]);
      }
    }),
  );
});

test('a header that goes on behind the bytes given asks for more of them; one that the file cuts short is refused', () => {
  const bytes = file(
    { metadata: [['k', { type: 8, value: 'v', bytes: text('value') }]], tensors: [{ name: 't', sizes: [8], offset: 0 }] },
    32,
  );
  const header = bytes.length - 32 - 16;
  for (let length = 0; length < header; length++) {
    expect(() => parseGgufHeader(bytes.subarray(0, length), bytes.length)).toThrow(MoreNeeded);
    expect(() => parseGgufHeader(bytes.subarray(0, length), length)).toThrow(ContentError);
  }
});

test('an array of numbers takes no more memory than it has bytes in the file', () => {
  const count = 20_000_000;
  const bytes = file({ metadata: [['k', { type: 9, value: [], bytes: Buffer.concat([u32(0), u64(count), Buffer.alloc(count, 200)]) }]] });
  const before = process.memoryUsage();
  const { metadata } = parse(bytes);
  const after = process.memoryUsage();
  expect((metadata.get('k') as Uint8Array).byteLength).toBe(count);
  expect(after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers).toBeLessThan(1.5 * count);
});

const one: Entry = { name: 'one', sizes: [8], offset: 0 };
const key = (type: number, bytes: Buffer): Buffer => file({ metadata: [['k', { type, value: 0, bytes }]] });
const nested = (depth: number): Typed => (depth === 0 ? arrayOf(4, []) : arrayOf(9, [nested(depth - 1)]));
const bad: Record<string, [Buffer, RegExp]> = {
  'a text longer than the file': [key(8, u64(2n ** 63n)), /length of a text is 9223372036854775808; the file has/],
  'a key longer than the file': [
    Buffer.concat([file({}).subarray(0, 16), u64(1), u64(10 ** 9), Buffer.alloc(64)]),
    /length of a text is 1000000000/,
  ],
  'an array longer than the file': [key(9, Buffer.concat([u32(8), u64(2n ** 60n)])), /length of an array is 1152921504606846976/],
  'an array whose numbers end behind the file': [key(9, Buffer.concat([u32(10), u64(20)])), /where 160 bytes are due/],
  'arrays in arrays without end': [file({ metadata: [['k', nested(2000)]] }), /arrays more than 4 deep/],
  'a type of metadata that there is not': [key(13, u64(0)), /a value of type 13/],
  'an array of such a type': [key(9, Buffer.concat([u32(77), u64(1), u64(0)])), /a value of type 77/],
  'metadata twice': [
    file({
      metadata: [
        ['k', number(1)],
        ['k', number(2)],
      ],
    }),
    /"k" stand twice/,
  ],
  'more metadata than there are bytes': [
    Buffer.concat([file({}).subarray(0, 16), u64(2n ** 40n)]),
    /number of its metadata is 1099511627776/,
  ],
  'more tensors than there are bytes': [
    Buffer.concat([Buffer.from('GGUF'), u32(3), u64(2n ** 40n), u64(0)]),
    /number of its tensors is 1099511627776/,
  ],
  'a tensor twice': [file({ tensors: [one, { ...one, offset: 32 }] }, 64), /tensor "one": it stands twice/],
  'a tensor between two places': [file({ tensors: [{ ...one, offset: 4 }] }, 64), /"one": it begins at byte 4 of the data/],
  'a tensor over the beginning of another': [
    file(
      {
        tensors: [
          { ...one, sizes: [9] },
          { ...one, name: 'two', offset: 32 },
        ],
      },
      64,
    ),
    /"one" and "two" overlap/,
  ],
  'a tensor inside of another': [
    file(
      {
        tensors: [
          { ...one, sizes: [64] },
          { ...one, name: 'two', offset: 32 },
        ],
      },
      256,
    ),
    /"one" and "two" overlap/,
  ],
  'a tensor behind the end': [file({ tensors: [{ ...one, offset: 64 }] }, 64), /"one": it ends at byte \d+; the file has/],
  'a tensor that begins behind all files': [file({ tensors: [{ ...one, offset: 2n ** 63n }] }, 64), /"one": it ends at byte/],
  'sizes whose product overflows': [file({ tensors: [{ ...one, sizes: [2n ** 32n, 2n ** 32n] }] }, 64), /"one" has a shape too large/],
  'sizes whose product overflows to 0': [
    file({ tensors: [{ ...one, sizes: [2n ** 32n, 2n ** 31n, 2n] }] }, 64),
    /"one" has a shape too large/,
  ],
  'more axes than any tensor has': [file({ tensors: [{ ...one, sizes: Array.from({ length: 9 }, () => 1) }] }, 64), /"one" has 9 axes/],
  'a type of tensor that is not read': [
    file({ tensors: [{ ...one, type: 16 }] }, 64),
    /"one" is of type 16, which is not read; known: F32/,
  ],
  'rows that are no whole blocks': [file({ tensors: [{ ...one, sizes: [48], type: 8 }] }, 64), /rows of 48; Q8_0 comes in blocks of 32/],
  'an alignment of 0': [file({ metadata: [['general.alignment', number(0)]] }), /alignment is 0/],
};
describe('is refused:', () => {
  test.each(Object.entries(bad))('%s', (_, [bytes, message]) => {
    expect(() => parse(bytes)).toThrow(ContentError);
    expect(() => parse(bytes)).toThrow(message);
  });
});
