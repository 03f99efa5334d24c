import { open, type FileHandle } from 'node:fs/promises';
import { writeAll, writeAtomically } from './atomic.js';
import { elementBytes, holds, type StoredDType } from './dtypes.js';
import { CheckpointError } from './errors.js';
import { bytesOf, ContentError, named, readAt, readHalves, readNumbers, type StoredTensor, type TensorFile } from './file-reading.js';
import { headerLimit, parseHeader } from './safetensors-header.js';

/** An open safetensors file. */
export type SafetensorsFile = TensorFile;

/** Whether a file can be one of safetensors, by its first 8 bytes: the length of a header. */
export const beginsAsSafetensors = (first: Uint8Array): boolean => {
  const length = new DataView(first.buffer, first.byteOffset, 8).getBigUint64(0, true);
  return length > 0n && length <= BigInt(headerLimit);
};

/**
 * Opens a safetensors file: checks its header completely and gives its tensors to be read one by one.
 * @throws CheckpointError naming the file and what is wrong with it
 */
export async function readSafetensors(path: string): Promise<SafetensorsFile> {
  const file = await named(path, 'safetensors', () => open(path, 'r'));
  try {
    const { metadata, places, dataStart } = await named(path, 'safetensors', () => readHeader(file));
    const tensors = new Map(
      places.map(({ name, dtype, shape, begin, end }): [string, StoredTensor] => [
        name,
        {
          name,
          dtype,
          shape,
          read: () => named(path, 'safetensors', () => readNumbers(file, dtype, dataStart + begin, (end - begin) / elementBytes[dtype])),
          ...(dtype === 'F16' || dtype === 'BF16'
            ? { readBits: () => named(path, 'safetensors', () => readHalves(file, dataStart + begin, (end - begin) / 2)) }
            : {}),
        },
      ]),
    );
    const close = (): Promise<void> => file.close();
    return { metadata, tensors, close, [Symbol.asyncDispose]: close };
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function readHeader(file: FileHandle): Promise<ReturnType<typeof parseHeader> & { dataStart: number }> {
  const { size } = await file.stat();
  if (size < 8) throw new ContentError(`it has ${size} bytes; the header's length alone takes 8`);
  const first = new Uint8Array(8);
  await readAt(file, first, 0);
  const length = new DataView(first.buffer).getBigUint64(0, true);
  if (length > headerLimit) throw new ContentError(`it claims a header of ${length} bytes; at most ${headerLimit} are allowed`);
  const dataStart = 8 + Number(length);
  if (dataStart > size)
    throw new ContentError(`it claims a header of ${length} bytes but has ${size} bytes in all; it is truncated or damaged`);
  const header = new Uint8Array(dataStart - 8);
  await readAt(file, header, 8);
  return { ...parseHeader(header, size - dataStart), dataStart };
}

/** Arrays that a tensor can be written from: the one that holds its dtype, the bits of F16 and BF16 in a Uint16Array. */
export type NumberArray = Float64Array | Float32Array | BigInt64Array | Int32Array | Int16Array | Uint16Array | Int8Array | Uint8Array;

/** A tensor to be written. */
export interface SafetensorsInput {
  name: string;
  dtype: StoredDType;
  shape: readonly number[];
  /** the numbers, row-major; a function is called when their turn comes, so that one tensor at a time is in memory */
  data: NumberArray | (() => Promise<NumberArray>);
}

/**
 * Writes a safetensors file, beside and renamed. The same tensors give the same bytes, in whatever order they come: wide
 * elements first, then by name, as the format's own library orders them; the header padded with spaces to a multiple of 8.
 * @param metadata the default is what Hugging Face's loaders ask for
 * @throws CheckpointError for a name that comes twice, data that does not fit its shape, or a place that cannot be written
 */
export async function writeSafetensors(
  path: string,
  tensors: Iterable<SafetensorsInput>,
  metadata: Readonly<Record<string, string>> = { format: 'pt' },
): Promise<void> {
  const sorted = [...tensors].sort((a, b) => elementBytes[b.dtype] - elementBytes[a.dtype] || compare(a.name, b.name));
  const header: Record<string, unknown> = Object.create(null);
  if (Object.keys(metadata).length > 0)
    header['__metadata__'] = Object.fromEntries(Object.entries(metadata).sort(([a], [b]) => compare(a, b)));
  let offset = 0;
  for (const { name, dtype, shape } of sorted) {
    if (name === '__metadata__' || name in header)
      throw new CheckpointError(`cannot write ${path}: the name "${name}" is taken; each tensor needs its own`);
    const end = offset + elementBytes[dtype] * shape.reduce((product, size) => product * size, 1);
    header[name] = { dtype, shape, data_offsets: [offset, end] };
    offset = end;
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const start = new Uint8Array(8 + 8 * Math.ceil(text.length / 8)).fill(0x20);
  new DataView(start.buffer).setBigUint64(0, BigInt(start.length - 8), true);
  start.set(text, 8);
  await writeAtomically(path, async (file) => {
    await writeAll(file, start);
    for (const { name, dtype, shape, data } of sorted) {
      const numbers = typeof data === 'function' ? await data() : data;
      const count = shape.reduce((product, size) => product * size, 1);
      if (!holds(dtype, numbers) || numbers.length !== count) {
        throw new CheckpointError(
          `cannot write ${path}: tensor "${name}" is ${dtype} of shape (${shape.join(', ')}) and needs ${count} such numbers; ` +
            `${numbers.length} in ${numbers.constructor.name} were given`,
        );
      }
      await writeAll(file, bytesOf(numbers));
    }
  });
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
