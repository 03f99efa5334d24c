import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import { CheckpointError } from './errors.js';

/** Element types of the format, with their bytes. */
const sizes = { F64: 8, F32: 4, F16: 2, BF16: 2, I64: 8, I32: 4, I16: 2, I8: 1, U8: 1, BOOL: 1 } as const;
export type SafetensorsType = keyof typeof sizes;

/** What `read` gives: F16, BF16 and F64 come as Float32Array. */
export type SafetensorsData = Float32Array | BigInt64Array | Int32Array | Int16Array | Int8Array | Uint8Array;

/** One tensor of a file; its numbers are read when asked for. */
export interface SafetensorsEntry {
  name: string;
  dtype: SafetensorsType;
  shape: readonly number[];
  read(): Promise<SafetensorsData>;
}

/** An open file; close it when the tensors are read. */
export interface SafetensorsFile {
  tensors: ReadonlyMap<string, SafetensorsEntry>;
  metadata: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

/** A tensor to write. */
export interface SafetensorsInput {
  name: string;
  dtype: 'F32' | 'I32' | 'I64';
  shape: readonly number[];
  data: Float32Array | Int32Array | BigInt64Array;
}

const maximumHeader = 100_000_000;

/**
 * Opens a safetensors file (8 bytes of header length, a JSON header, raw little-endian data). The whole header is checked
 * before any memory is reserved: sizes against the file, offsets against each other.
 * @throws CheckpointError naming the file, the tensor, the value seen and the value needed
 */
export async function readSafetensors(path: string): Promise<SafetensorsFile> {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (error) {
    throw new CheckpointError(`${path}: ${(error as Error).message}`);
  }
  try {
    const { header, dataStart, dataBytes } = await readHeader(path, file);
    const { entries, metadata } = checkHeader(path, header, dataBytes);
    const tensors = new Map<string, SafetensorsEntry>();
    for (const { name, dtype, shape, begin, end } of entries) {
      tensors.set(name, { name, dtype, shape, read: async () => decode(dtype, await readBytes(path, file, dataStart + begin, end - begin)) });
    }
    return { tensors, metadata, close: () => file.close() };
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function readHeader(path: string, file: FileHandle): Promise<{ header: string; dataStart: number; dataBytes: number }> {
  const { size } = await file.stat();
  if (size < 8) throw new CheckpointError(`${path}: ${size} bytes are too few for a safetensors file; it begins with 8 bytes of header length`);
  const length = Number((await readBytes(path, file, 0, 8)).readBigUInt64LE());
  if (length > maximumHeader || 8 + length > size) {
    throw new CheckpointError(`${path}: the header claims ${length} bytes; the file has ${size - 8} after the length. It is truncated, or no safetensors file`);
  }
  return { header: (await readBytes(path, file, 8, length)).toString('utf8'), dataStart: 8 + length, dataBytes: size - 8 - length };
}

async function readBytes(path: string, file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafeSlow(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await file.read(buffer, done, length - done, position + done);
    if (bytesRead === 0) throw new CheckpointError(`${path}: ended after ${position + done} bytes; ${position + length} were expected`);
    done += bytesRead;
  }
  return buffer;
}

interface CheckedEntry {
  name: string;
  dtype: SafetensorsType;
  shape: number[];
  begin: number;
  end: number;
}

function checkHeader(path: string, header: string, dataBytes: number): { entries: CheckedEntry[]; metadata: Record<string, string> } {
  let json: unknown;
  try {
    json = JSON.parse(header);
  } catch (error) {
    throw new CheckpointError(`${path}: the header is not JSON (${(error as Error).message})`);
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw new CheckpointError(`${path}: the header is not a JSON object`);
  refuseDuplicateNames(path, header, Object.keys(json).length);
  const metadata: Record<string, string> = {};
  const entries: CheckedEntry[] = [];
  for (const [name, value] of Object.entries(json)) {
    if (name !== '__metadata__') entries.push(checkEntry(path, name, value, dataBytes));
    else for (const [key, text] of Object.entries((value ?? {}) as object)) metadata[key] = String(text);
  }
  let end = 0;
  for (const entry of entries.toSorted((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (entry.begin !== end) {
      throw new CheckpointError(`${path}: ${entry.name} begins at byte ${entry.begin} of the data; the tensor before it ends at ${end}`);
    }
    end = entry.end;
  }
  if (end !== dataBytes) throw new CheckpointError(`${path}: the tensors end at byte ${end} of the data; the file has ${dataBytes}. It is truncated or damaged`);
  return { entries, metadata };
}

function checkEntry(path: string, name: string, value: unknown, dataBytes: number): CheckedEntry {
  const { dtype, shape, data_offsets: offsets } = (value ?? {}) as { dtype?: unknown; shape?: unknown; data_offsets?: unknown };
  const bad = (what: string): never => {
    throw new CheckpointError(`${path}: tensor ${name}: ${what}`);
  };
  if (typeof dtype !== 'string' || !Object.hasOwn(sizes, dtype)) return bad(`dtype is ${JSON.stringify(dtype)}; known: ${Object.keys(sizes).join(', ')}`);
  const whole = (number: unknown): number is number => Number.isSafeInteger(number) && (number as number) >= 0;
  if (!Array.isArray(shape) || !shape.every(whole)) return bad(`shape is ${JSON.stringify(shape)}; whole numbers from 0 are needed`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(whole)) return bad(`data_offsets is ${JSON.stringify(offsets)}; two whole numbers are needed`);
  const [begin, end] = offsets as [number, number];
  if (begin > end || end > dataBytes) return bad(`data_offsets ${begin} to ${end} lie outside the ${dataBytes} bytes of data`);
  const bytes = shape.reduce((product: number, size: number) => product * size, 1) * sizes[dtype as SafetensorsType];
  if (bytes !== end - begin) return bad(`shape (${shape.join(', ')}) as ${dtype} needs ${bytes} bytes; data_offsets give ${end - begin}`);
  return { name, dtype: dtype as SafetensorsType, shape: shape as number[], begin, end };
}

/** JSON.parse keeps the last of equal names; a header with two tensors of one name is refused instead. */
function refuseDuplicateNames(path: string, header: string, known: number): void {
  let depth = 0;
  let names = 0;
  for (const [token] of header.matchAll(/"(?:[^"\\]|\\.)*"\s*:?|[{}[\]]/g)) {
    if (token === '{' || token === '[') depth++;
    else if (token === '}' || token === ']') depth--;
    else if (depth === 1 && token.endsWith(':')) names++;
  }
  if (names !== known) throw new CheckpointError(`${path}: the header names ${names} tensors, ${known} of them different; names must not repeat`);
}

/** Little-endian bytes as numbers. */
function decode(dtype: SafetensorsType, bytes: Buffer): SafetensorsData {
  const { buffer, byteOffset, byteLength } = bytes;
  switch (dtype) {
    case 'F32':
      return new Float32Array(buffer, byteOffset, byteLength / 4);
    case 'F64':
      return Float32Array.from(new Float64Array(buffer, byteOffset, byteLength / 8));
    case 'I64':
      return new BigInt64Array(buffer, byteOffset, byteLength / 8);
    case 'I32':
      return new Int32Array(buffer, byteOffset, byteLength / 4);
    case 'I16':
      return new Int16Array(buffer, byteOffset, byteLength / 2);
    case 'I8':
      return new Int8Array(buffer, byteOffset, byteLength);
    case 'U8':
    case 'BOOL':
      return new Uint8Array(buffer, byteOffset, byteLength);
    case 'BF16': {
      const words = new Uint16Array(buffer, byteOffset, byteLength / 2);
      return new Float32Array(Uint32Array.from(words, (word) => word << 16).buffer);
    }
    case 'F16':
      return Float32Array.from(new Uint16Array(buffer, byteOffset, byteLength / 2), halfToFloat);
  }
}

function halfToFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
}

/**
 * Writes a safetensors file beside its place and renames it: a reader sees the old file or the new one, never a part. The
 * same tensors give the same bytes.
 * @throws CheckpointError when a shape does not fit its data or a name repeats
 */
export async function writeSafetensors(path: string, tensors: readonly SafetensorsInput[], metadata: Readonly<Record<string, string>> = { format: 'pt' }): Promise<void> {
  const header: Record<string, unknown> = { __metadata__: metadata };
  let offset = 0;
  for (const { name, dtype, shape, data } of tensors) {
    const bytes = data.byteLength;
    const needed = shape.reduce((product, size) => product * size, 1) * sizes[dtype];
    if (bytes !== needed) throw new CheckpointError(`${path}: tensor ${name} of shape (${shape.join(', ')}) as ${dtype} needs ${needed} bytes; ${bytes} were given`);
    if (Object.hasOwn(header, name)) throw new CheckpointError(`${path}: two tensors are called ${name}`);
    header[name] = { dtype, shape, data_offsets: [offset, offset + bytes] };
    offset += bytes;
  }
  const text = Buffer.from(JSON.stringify(header), 'utf8');
  const padded = Buffer.alloc(Math.ceil(text.length / 8) * 8, ' ');
  text.copy(padded);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  const beside = `${path}.${process.pid}.part`;
  try {
    const file = await open(beside, 'w');
    try {
      await file.write(length);
      await file.write(padded);
      for (const { data } of tensors) await file.writev([new Uint8Array(data.buffer, data.byteOffset, data.byteLength)]);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
}
