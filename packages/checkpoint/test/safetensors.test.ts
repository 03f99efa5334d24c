import { chmodSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CheckpointError, readSafetensors, writeSafetensors, type StoredTensor, type SafetensorsInput } from '../src/index.js';
import { rawSafetensors } from './fixtures/raw.js';
import { temporaryFolder } from './fixtures/temporary.js';

const folder = temporaryFolder();
const entry = (dtype: string, shape: unknown, begin: unknown, end: unknown): object => ({ dtype, shape, data_offsets: [begin, end] });

async function open(bytes: Buffer): Promise<{ metadata: Readonly<Record<string, string>>; tensors: StoredTensor[] }> {
  writeFileSync(folder.path('x.safetensors'), bytes);
  const { metadata, tensors, close } = await readSafetensors(folder.path('x.safetensors'));
  await close();
  return { metadata, tensors: [...tensors.values()] };
}

async function numbersOf(bytes: Buffer): Promise<ArrayLike<number | bigint>[]> {
  writeFileSync(folder.path('x.safetensors'), bytes);
  const file = await readSafetensors(folder.path('x.safetensors'));
  const all: ArrayLike<number | bigint>[] = [];
  for (const tensor of file.tensors.values()) all.push(await tensor.read());
  await file.close();
  return all;
}

describe('readSafetensors', () => {
  test('reads every dtype; half precision is widened exactly', async () => {
    const halves = new Uint16Array([0x3c00, 0xc000, 0x7bff, 0x0001, 0x7c00]);
    const brains = new Uint16Array([0x3f80, 0xc049]);
    const arrays: [string, ArrayBufferView & { length: number }, ArrayLike<number | bigint>][] = [
      ['F64', new Float64Array([0.1, -1e300]), [0.1, -1e300]],
      ['F32', new Float32Array([1.5, -2]), [1.5, -2]],
      ['I64', new BigInt64Array([-9007199254740993n]), [-9007199254740993n]],
      ['I32', new Int32Array([-7]), [-7]],
      ['F16', halves, [1, -2, 65504, 2 ** -24, Infinity]],
      ['BF16', brains, [1, -3.140625]],
      ['I16', new Int16Array([-300]), [-300]],
      ['I8', new Int8Array([-3]), [-3]],
      ['U8', new Uint8Array([250]), [250]],
      ['BOOL', new Uint8Array([0, 1]), [0, 1]],
    ];
    const header: Record<string, object> = {};
    let offset = 0;
    for (const [dtype, array] of arrays) header[dtype] = entry(dtype, [array.length], offset, (offset += array.byteLength));
    const data = Buffer.concat(arrays.map(([, array]) => new Uint8Array(array.buffer)));
    const read = await numbersOf(rawSafetensors(header, data));
    expect(read.map((numbers) => Array.from(numbers))).toEqual(arrays.map(([, , expected]) => Array.from(expected)));
  });

  test('tensors without axes hold one number, tensors with an empty axis none', async () => {
    const [scalar, none] = await numbersOf(
      rawSafetensors({ scalar: entry('F32', [], 0, 4), none: entry('F32', [3, 0, 2 ** 40], 4, 4) }, new Uint8Array(4)),
    );
    expect(scalar).toEqual(new Float32Array([0]));
    expect(none).toEqual(new Float32Array());
  });

  test('metadata is read, however its keys are called', async () => {
    const { metadata } = await open(rawSafetensors('{"__metadata__":{"format":"pt","__proto__":"x"}}'));
    expect(Object.entries(metadata)).toEqual([
      ['format', 'pt'],
      ['__proto__', 'x'],
    ]);
  });

  const four = new Uint8Array(4);
  const eight = new Uint8Array(8);
  test.each([
    ['nothing', Buffer.alloc(0), /0 bytes/],
    ['too short for a length', Buffer.alloc(7), /7 bytes; the header's length alone takes 8/],
    ['a header longer than the file', rawSafetensors({}, four, 1000n), /claims a header of 1000 bytes but has 14 bytes in all/],
    ['a header of 2^63 bytes', rawSafetensors({}, four, 1n << 63n), /at most 100000000/],
    ['no JSON', rawSafetensors('{"a"'), /not JSON/],
    ['no object', rawSafetensors('[1]'), /begins with "\[" instead of "\{"/],
    [
      'a header that is no UTF-8',
      Buffer.concat([rawSafetensors('', four, 4n).subarray(0, 8), Buffer.from([0x7b, 0xff, 0xff, 0x7d])]),
      /not UTF-8/,
    ],
    [
      'a name twice',
      rawSafetensors(
        '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"\\u0061":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
        four,
      ),
      /"a" stands twice/,
    ],
    ['a field twice', rawSafetensors('{"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}', four), /"dtype" stands twice/],
    ['an entry that is no object', rawSafetensors({ a: 3 }), /tensor "a": its entry is 3/],
    ['an unknown dtype', rawSafetensors({ a: entry('F7', [1], 0, 4) }, four), /tensor "a": dtype "F7" is not known; known: F64, F32/],
    ['a dtype called like a method', rawSafetensors({ a: entry('toString', [1], 0, 4) }, four), /dtype "toString" is not known/],
    ['a negative size', rawSafetensors({ a: entry('F32', [-1], 0, 4) }, four), /shape \[-1\] is not a list of whole numbers/],
    ['a size that is no number', rawSafetensors({ a: entry('F32', ['1'], 0, 4) }, four), /shape \["1"\]/],
    ['sizes that overflow', rawSafetensors({ a: entry('F32', [2 ** 40, 2 ** 40], 0, 4) }, four), /needs too many bytes/],
    ['offsets outside the data', rawSafetensors({ a: entry('F32', [2], 0, 8) }, four), /do not lie in the file's 4 bytes of data/],
    ['offsets the wrong way round', rawSafetensors({ a: entry('F32', [1], 4, 0) }, four), /do not lie/],
    ['three offsets', rawSafetensors({ a: { dtype: 'F32', shape: [1], data_offsets: [0, 4, 8] } }, four), /are not two whole numbers/],
    ['a size that does not fit', rawSafetensors({ a: entry('F32', [3], 0, 8) }, eight), /needs 12 bytes; data_offsets \[0,8\] hold 8/],
    [
      'an overlap',
      rawSafetensors({ a: entry('F32', [2], 0, 8), b: entry('F32', [1], 4, 8) }, eight),
      /tensors "a" and "b" overlap at byte 4/,
    ],
    ['a hole', rawSafetensors({ a: entry('U8', [1], 0, 1), b: entry('U8', [1], 3, 4) }, four), /bytes 1 to 3.*between "a" and "b"/],
    ['data that belongs to nothing', rawSafetensors({ a: entry('U8', [1], 0, 1) }, four), /last 3 bytes/],
    ['metadata that is no text', rawSafetensors({ __metadata__: { a: 1 } }), /"a" of its __metadata__ is 1/],
  ])('refuses %s', async (_, bytes, message) => {
    const reading = open(bytes);
    await expect(reading).rejects.toThrow(CheckpointError);
    await expect(reading).rejects.toThrow(message);
    await expect(reading).rejects.toThrow(folder.path('x.safetensors'));
  });

  test('says that a file is not there, or is a folder', async () => {
    await expect(readSafetensors(folder.path('none'))).rejects.toThrow(/none as safetensors: no such file/);
    await expect(readSafetensors(folder.path('.'))).rejects.toThrow(/it is a folder/);
  });

  test('notices that the file is cut short after it was opened', async () => {
    const path = folder.path('x.safetensors');
    const bytes = rawSafetensors({ a: entry('F32', [2], 0, 8) }, eight);
    writeFileSync(path, bytes);
    await using file = await readSafetensors(path);
    truncateSync(path, bytes.length - 3);
    await expect(file.tensors.get('a')!.read()).rejects.toThrow(/it is truncated/);
  });
});

describe('writeSafetensors', () => {
  const tensors: SafetensorsInput[] = [
    { name: 'small', dtype: 'U8', shape: [3], data: new Uint8Array([1, 2, 3]) },
    { name: 'b', dtype: 'F32', shape: [2, 1], data: async () => new Float32Array([1.5, NaN]) },
    { name: 'a', dtype: 'F32', shape: [], data: new Float32Array([7]) },
    { name: 'wide', dtype: 'I64', shape: [1], data: new BigInt64Array([5n]) },
  ];

  test('lays a file out as the field does: header padded to 8, wide elements first, then by name', async () => {
    const path = folder.path('x.safetensors');
    await writeSafetensors(path, tensors, { note: 'é' });
    const bytes = readFileSync(path);
    const length = Number(bytes.readBigUInt64LE());
    expect(length % 8).toBe(0);
    const header = bytes.subarray(8, 8 + length).toString();
    expect(Object.entries(JSON.parse(header))).toEqual([
      ['__metadata__', { note: 'é' }],
      ['wide', entry('I64', [1], 0, 8)],
      ['a', entry('F32', [], 8, 12)],
      ['b', entry('F32', [2, 1], 12, 20)],
      ['small', entry('U8', [3], 20, 23)],
    ]);
    expect(bytes).toHaveLength(8 + length + 23);
  });

  test('gives the same bytes in whatever order the tensors come', async () => {
    await writeSafetensors(folder.path('one'), tensors, { a: '1', b: '2' });
    await writeSafetensors(folder.path('two'), tensors.toReversed(), { b: '2', a: '1' });
    expect(readFileSync(folder.path('one'))).toEqual(readFileSync(folder.path('two')));
  });

  test('what was written is read again, bit by bit', async () => {
    const float = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }).map((bits) => new Float32Array(new Int32Array([bits]).buffer)[0]!);
    const named = fc.uniqueArray(fc.tuple(fc.string(), fc.array(float, { maxLength: 20 })), { selector: ([name]) => name, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(
        named.filter((all) => all.every(([name]) => name !== '__metadata__')),
        async (all) => {
          const path = folder.path('x.safetensors');
          await writeSafetensors(
            path,
            all.map(([name, numbers]) => ({ name, dtype: 'F32', shape: [numbers.length], data: new Float32Array(numbers) })),
          );
          await using file = await readSafetensors(path);
          expect(file.tensors.size).toBe(all.length);
          for (const [name, numbers] of all)
            expect(Buffer.from((await file.tensors.get(name)!.read()).buffer)).toEqual(Buffer.from(new Float32Array(numbers).buffer));
        },
      ),
      { numRuns: 50 },
    );
  });

  test.each([
    ['a name that comes twice', [tensors[2]!, tensors[2]!], /"a" is taken/],
    ['the name of the metadata', [{ ...tensors[2]!, name: '__metadata__' }], /"__metadata__" is taken/],
    ['too few numbers', [{ ...tensors[2]!, shape: [2] }], /tensor "a" is F32 of shape \(2\) and needs 2 such numbers; 1 in Float32Array/],
    ['numbers of another kind', [{ ...tensors[2]!, data: new Int32Array(1) }], /needs 1 such numbers; 1 in Int32Array/],
  ])('refuses %s and leaves what was there', async (_, given, message) => {
    const path = folder.path('x.safetensors');
    writeFileSync(path, 'old');
    await expect(writeSafetensors(path, given)).rejects.toThrow(message);
    expect(readFileSync(path, 'utf8')).toBe('old');
    expect(readdirSync(folder.path('.'))).toEqual(['x.safetensors']);
  });

  test('leaves the old file and nothing beside it when the numbers cannot be had', async () => {
    const path = folder.path('x.safetensors');
    writeFileSync(path, 'old');
    const broken = { name: 'a', dtype: 'F32', shape: [1], data: () => Promise.reject(new Error('out of order')) } as const;
    await expect(writeSafetensors(path, [broken])).rejects.toThrow('out of order');
    expect(readFileSync(path, 'utf8')).toBe('old');
    expect(readdirSync(folder.path('.'))).toEqual(['x.safetensors']);
  });

  test('says where it cannot write', async () => {
    await expect(writeSafetensors(folder.path('no', 'such', 'x'), [])).rejects.toThrow(/cannot write .*x: no such file or folder/);
    mkdirSync(folder.path('taken'));
    await expect(writeSafetensors(folder.path('taken'), [])).rejects.toThrow(/cannot write .*taken: it is a folder/);
    expect(readdirSync(folder.path('.'))).toEqual(['taken']);
    mkdirSync(folder.path('locked'));
    chmodSync(folder.path('locked'), 0o500);
    if (process.getuid?.() !== 0) await expect(writeSafetensors(folder.path('locked', 'x'), [])).rejects.toThrow(/permission denied/);
  });
});
