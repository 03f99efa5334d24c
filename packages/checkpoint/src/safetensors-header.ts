import { elementBytes, type StoredDType } from './dtypes.js';
import { ContentError } from './file-reading.js';
import { duplicateName } from './duplicate-names.js';

/** The largest header that the format allows, in bytes. */
export const headerLimit = 100_000_000;

/** Where a tensor lies: bytes from the start of the data. */
export interface StoredPlace {
  name: string;
  dtype: StoredDType;
  shape: readonly number[];
  begin: number;
  end: number;
}

/**
 * Reads and checks a safetensors header completely, before anything is reserved for what it promises: names once each, known
 * dtypes, sizes that fit, and data without overlap or hole up to the last byte.
 * @param dataLength bytes of the file after the header
 * @throws ContentError
 */
export function parseHeader(header: Uint8Array, dataLength: number): { metadata: Record<string, string>; places: StoredPlace[] } {
  const text = decodeText(header);
  if (!text.startsWith('{')) throw new ContentError(`its header begins with ${JSON.stringify(text.slice(0, 1))} instead of "{"`);
  let parsed: Record<string, unknown>;
  try {
    parsed = JSON.parse(text) as Record<string, unknown>;
  } catch (error) {
    throw new ContentError(`its header is not JSON: ${(error as Error).message.slice(0, 200)}`);
  }
  const twice = duplicateName(text);
  if (twice !== undefined) throw new ContentError(`the name ${quote(twice)} stands twice in its header`);
  const metadata: Record<string, string> = {};
  const places: StoredPlace[] = [];
  for (const [name, entry] of Object.entries(parsed)) {
    if (name === '__metadata__') readMetadata(entry, metadata);
    else places.push(readPlace(name, entry, dataLength));
  }
  checkCover(places, dataLength);
  return { metadata, places };
}

function decodeText(header: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(header);
  } catch {
    throw new ContentError('its header is not UTF-8');
  }
}

function readMetadata(entry: unknown, metadata: Record<string, string>): void {
  if (!isObject(entry)) throw new ContentError('its __metadata__ is not an object of texts');
  for (const [key, value] of Object.entries(entry)) {
    if (typeof value !== 'string') throw new ContentError(`${quote(key)} of its __metadata__ is ${quote(value)}; a text is needed`);
    Object.defineProperty(metadata, key, { value, enumerable: true });
  }
}

function readPlace(name: string, entry: unknown, dataLength: number): StoredPlace {
  const wrong = (what: string): ContentError => new ContentError(`tensor ${quote(name)}: ${what}`);
  if (!isObject(entry)) throw wrong(`its entry is ${quote(entry)}; an object with dtype, shape and data_offsets is needed`);
  const { dtype, shape, data_offsets: offsets } = entry;
  if (typeof dtype !== 'string' || !Object.hasOwn(elementBytes, dtype)) {
    throw wrong(`dtype ${quote(dtype)} is not known; known: ${Object.keys(elementBytes).join(', ')}`);
  }
  if (!Array.isArray(shape) || !shape.every(isSize)) throw wrong(`shape ${quote(shape)} is not a list of whole numbers ≥ 0`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize)) {
    throw wrong(`data_offsets ${quote(offsets)} are not two whole numbers ≥ 0`);
  }
  const [begin, end] = offsets as [number, number];
  if (begin > end || end > dataLength) {
    throw wrong(`data_offsets ${quote(offsets)} do not lie in the file's ${dataLength} bytes of data; the file is truncated or damaged`);
  }
  const bytes = byteCount(shape, elementBytes[dtype as StoredDType]);
  if (bytes !== end - begin) {
    throw wrong(`shape ${quote(shape)} of ${dtype} needs ${bytes ?? 'too many'} bytes; data_offsets ${quote(offsets)} hold ${end - begin}`);
  }
  return { name, dtype: dtype as StoredDType, shape: shape as number[], begin, end };
}

/** Bytes of a shape, undefined when they are too many to count exactly. */
function byteCount(shape: readonly number[], each: number): number | undefined {
  if (shape.includes(0)) return 0;
  let bytes = each;
  for (const size of shape) {
    bytes *= size;
    if (!Number.isSafeInteger(bytes)) return undefined;
  }
  return bytes;
}

function checkCover(places: readonly StoredPlace[], dataLength: number): void {
  let covered = 0;
  let before = 'the start';
  for (const { name, begin, end } of places.toSorted((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin < covered) throw new ContentError(`tensors ${before} and ${quote(name)} overlap at byte ${begin} of the data`);
    if (begin > covered)
      throw new ContentError(`bytes ${covered} to ${begin} of the data, between ${before} and ${quote(name)}, belong to no tensor`);
    covered = end;
    before = quote(name);
  }
  if (covered !== dataLength) throw new ContentError(`the last ${dataLength - covered} bytes of the data belong to no tensor`);
}

const isSize = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);
const quote = (value: unknown): string => {
  const text = JSON.stringify(value) ?? 'undefined';
  return text.length > 120 ? `${text.slice(0, 117)}…` : text;
};
