import { open, type FileHandle } from 'node:fs/promises';
import { writeAll, writeAtomically } from './atomic.js';
import { arrayFor, elementBytes, holds, widen, type ArrayOfDType, type StoredDType } from './dtypes.js';
import { CheckpointError, fileTrouble } from './errors.js';
import { headerLimit, HeaderError, parseHeader } from './safetensors-header.js';

/** A tensor in a file: its numbers are read only when asked for. */
export interface StoredTensor<T extends StoredDType = StoredDType> {
  name: string;
  dtype: T;
  shape: readonly number[];
  /** The numbers, row-major; F16 and BF16 widened to Float32. Throws CheckpointError when the file was cut short meanwhile. */
  read(): Promise<ArrayOfDType[T]>;
}

/** An open safetensors file; close it (or use `await using`) when its tensors are read. */
export interface SafetensorsFile extends AsyncDisposable {
  metadata: Readonly<Record<string, string>>;
  /** by name, in the order of the header */
  tensors: ReadonlyMap<string, StoredTensor>;
  close(): Promise<void>;
}

/**
 * Opens a safetensors file: checks its header completely and gives its tensors to be read one by one.
 * @throws CheckpointError naming the file and what is wrong with it
 */
export async function readSafetensors(path: string): Promise<SafetensorsFile> {
  const file = await named(path, () => open(path, 'r'));
  try {
    const { metadata, places, dataStart } = await named(path, () => readHeader(file));
    const tensors = new Map(
      places.map(({ name, dtype, shape, begin, end }): [string, StoredTensor] => [
        name,
        {
          name,
          dtype,
          shape,
          read: () => named(path, () => readNumbers(file, dtype, dataStart + begin, (end - begin) / elementBytes[dtype])),
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

/** Runs `use`; what goes wrong becomes a CheckpointError with the file's name. */
async function named<R>(path: string, use: () => Promise<R>): Promise<R> {
  try {
    return await use();
  } catch (error) {
    const reason = error instanceof HeaderError ? error.message : fileTrouble(error);
    throw new CheckpointError(`cannot read ${path} as safetensors: ${reason}`, { cause: error });
  }
}

async function readHeader(file: FileHandle): Promise<ReturnType<typeof parseHeader> & { dataStart: number }> {
  const { size } = await file.stat();
  if (size < 8) throw new HeaderError(`it has ${size} bytes; the header's length alone takes 8`);
  const first = new Uint8Array(8);
  await readAt(file, first, 0);
  const length = new DataView(first.buffer).getBigUint64(0, true);
  if (length > headerLimit) throw new HeaderError(`it claims a header of ${length} bytes; at most ${headerLimit} are allowed`);
  const dataStart = 8 + Number(length);
  if (dataStart > size)
    throw new HeaderError(`it claims a header of ${length} bytes but has ${size} bytes in all; it is truncated or damaged`);
  const header = new Uint8Array(dataStart - 8);
  await readAt(file, header, 8);
  return { ...parseHeader(header, size - dataStart), dataStart };
}

async function readNumbers(file: FileHandle, dtype: StoredDType, position: number, count: number): Promise<ArrayOfDType[StoredDType]> {
  const numbers = arrayFor(dtype, count);
  if (dtype === 'F16' || dtype === 'BF16') await readWidened(file, dtype, numbers as Float32Array, position);
  else await readAt(file, bytesOf(numbers), position);
  return numbers;
}

/** Reads 16-bit floats a piece at a time: no second copy of the tensor is held. */
async function readWidened(file: FileHandle, dtype: 'F16' | 'BF16', numbers: Float32Array, position: number): Promise<void> {
  const piece = new Uint16Array(Math.min(numbers.length, 1 << 19));
  for (let start = 0; start < numbers.length; start += piece.length) {
    const part = piece.subarray(0, numbers.length - start);
    await readAt(file, bytesOf(part), position + 2 * start);
    widen(dtype, part, numbers.subarray(start, start + part.length));
  }
}

async function readAt(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    // a single read takes less than 2 GiB
    const { bytesRead } = await file.read(bytes, done, Math.min(bytes.length - done, 1 << 30), position + done);
    if (bytesRead === 0)
      throw new HeaderError(`it ends at byte ${position + done}, before the ${bytes.length} bytes wanted there; it is truncated`);
    done += bytesRead;
  }
}

/** Arrays that a tensor can be written from: the one that holds its dtype. */
export type NumberArray = Float64Array | Float32Array | BigInt64Array | Int32Array | Int16Array | Int8Array | Uint8Array;

/** A tensor to be written. */
export interface SafetensorsInput {
  name: string;
  dtype: Exclude<StoredDType, 'F16' | 'BF16'>;
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

const bytesOf = (view: ArrayBufferView): Uint8Array => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
