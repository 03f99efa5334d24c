import type { FileHandle } from 'node:fs/promises';
import { arrayFor, widen, type ArrayOfDType, type StoredDType } from './dtypes.js';
import { CheckpointError, fileTrouble } from './errors.js';

/** A mistake in a file's content: `named` adds which file. */
export class ContentError extends Error {}

/** A tensor in a file: its numbers are read only when asked for. */
export interface StoredTensor<T extends StoredDType = StoredDType> {
  name: string;
  dtype: T;
  /** the name of the type in the file, where its numbers are decoded from blocks: Q8_0 */
  storedAs?: string;
  shape: readonly number[];
  /** The numbers, row-major; F16 and BF16 widened to Float32. Throws CheckpointError when the file was cut short meanwhile. */
  read(): Promise<ArrayOfDType[T]>;
  /** F16 and BF16: the numbers as they are stored; absent where they cannot be had so */
  readBits?(): Promise<Uint16Array<ArrayBuffer>>;
  /** Q8_0: the numbers in groups of 32, as they are stored; absent where they cannot be had so */
  readGroups?(): Promise<Groups>;
}

/** Whole numbers of 8 bits, and the scale of each 32 of them. */
export interface Groups {
  numbers: Int8Array<ArrayBuffer>;
  scales: Float32Array<ArrayBuffer>;
}

/** An open file of tensors; close it (or use `await using`) when they are read. */
export interface TensorFile extends AsyncDisposable {
  metadata: Readonly<Record<string, string>>;
  /** by name, in the order of the file */
  tensors: ReadonlyMap<string, StoredTensor>;
  /** config.json in Hugging Face's fields, where the file says what the model is (GGUF) */
  config?: Record<string, unknown>;
  /** the content of a tokenizer.json, where the file has a vocabulary */
  tokenizer?: object;
  close(): Promise<void>;
}

/** Runs `use`; what goes wrong becomes a CheckpointError with the file's name and what it was read as. */
export async function named<R>(path: string, format: string, use: () => Promise<R>): Promise<R> {
  try {
    return await use();
  } catch (error) {
    const reason = error instanceof ContentError ? error.message : fileTrouble(error);
    throw new CheckpointError(`cannot read ${path} as ${format}: ${reason}`, { cause: error });
  }
}

/** Fills `bytes` from a place in a file. */
export async function readAt(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    // a single read takes less than 2 GiB
    const { bytesRead } = await file.read(bytes, done, Math.min(bytes.length - done, 1 << 30), position + done);
    if (bytesRead === 0)
      throw new ContentError(`it ends at byte ${position + done}, before the ${bytes.length} bytes wanted there; it is truncated`);
    done += bytesRead;
  }
}

/** `count` numbers of a type, little-endian, from a place in a file; those of 16 bits widened. */
export async function readNumbers(
  file: FileHandle,
  dtype: StoredDType,
  position: number,
  count: number,
): Promise<ArrayOfDType[StoredDType]> {
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

/** `count` numbers of 16 bits, as they are stored. */
export async function readHalves(file: FileHandle, position: number, count: number): Promise<Uint16Array<ArrayBuffer>> {
  const bits = new Uint16Array(count);
  await readAt(file, bytesOf(bits), position);
  return bits;
}

/** The bytes of an array. */
export const bytesOf = (numbers: ArrayBufferView): Uint8Array => new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
