import type { FileHandle } from 'node:fs/promises';
import { ContentError, readAt } from './file-reading.js';

/** Where the bytes of an entry lie in the file. */
export interface ZipEntry {
  position: number;
  bytes: number;
}

/** An entry as the directory describes it. */
interface Listed {
  name: string;
  bytes: number;
  /** where its own header begins */
  header: number;
}

/** Bytes of the directory that are read: it holds names and places. */
const longestDirectory = 64 * 2 ** 20;

/**
 * The entries of a zip file by name, for reading their bytes in place (APPNOTE.TXT sections 4.3 to 4.5, with the 64-bit form).
 * @throws ContentError for a damaged directory, and for entries that are compressed, encrypted, called twice, called by a path
 * that leads elsewhere, or that overlap or lie outside of the file
 */
export async function readZipEntries(file: FileHandle): Promise<Map<string, ZipEntry>> {
  const { size } = await file.stat();
  const { begin, length } = await findDirectory(file, size);
  const directory = await viewOf(file, begin, length);
  const listed = listEntries(directory).sort((a, b) => a.header - b.header);
  const entries = new Map<string, ZipEntry>();
  let end = 0;
  let before = '';
  for (const entry of listed) {
    const name = JSON.stringify(entry.name);
    if (entries.has(entry.name)) throw new ContentError(`the entry ${name} stands twice in it`);
    if (entry.header < end) throw new ContentError(`its entries ${before} and ${name} overlap`);
    const position = await dataOf(file, entry, begin);
    end = position + entry.bytes;
    if (end > begin) throw new ContentError(`its entry ${name} ends at byte ${end}, inside of the directory at ${begin}`);
    before = name;
    entries.set(entry.name, { position, bytes: entry.bytes });
  }
  return entries;
}

async function viewOf(file: FileHandle, position: number, length: number): Promise<DataView> {
  const bytes = new Uint8Array(length);
  await readAt(file, bytes, position);
  return new DataView(bytes.buffer);
}

const damaged = (what: string): ContentError => new ContentError(`its zip directory is damaged: ${what}`);

/** A 64-bit number: places and sizes beyond 2⁵³ are in no file. */
function u64(view: DataView, at: number): number {
  const value = view.getBigUint64(at, true);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw damaged(`it holds the number ${value}`);
  return Number(value);
}

/** Where the directory lies: the record at the end of the file says so, or the 64-bit one that stands before it. */
async function findDirectory(file: FileHandle, size: number): Promise<{ begin: number; length: number }> {
  const tail = Math.min(size, 22 + 0xffff + 20); // the record, the longest comment, the locator of the 64-bit record
  const view = await viewOf(file, size - tail, tail);
  let at = tail - 22;
  const isRecord = (): boolean => view.getUint32(at, true) === 0x06054b50 && at + 22 + view.getUint16(at + 20, true) === tail;
  while (at >= 0 && !isRecord()) at--;
  if (at < 0) throw damaged('its end is missing; the file is truncated');
  let record = size - tail + at;
  let [length, begin] = [view.getUint32(at + 12, true), view.getUint32(at + 16, true)];
  if (at >= 20 && view.getUint32(at - 20, true) === 0x07064b50) {
    record = u64(view, at - 12);
    if (record + 56 > size) throw damaged(`its 64-bit end is at byte ${record}; the file has ${size}`);
    const wide = await viewOf(file, record, 56);
    if (wide.getUint32(0, true) !== 0x06064b50) throw damaged(`there is no 64-bit end at byte ${record}`);
    [length, begin] = [u64(wide, 40), u64(wide, 48)];
  }
  if (begin + length > record) throw damaged(`it ends at byte ${begin + length}, beyond its end record at ${record}`);
  if (length > longestDirectory) throw damaged(`it has ${length} bytes; at most ${longestDirectory} are read`);
  return { begin, length };
}

function listEntries(view: DataView): Listed[] {
  const entries: Listed[] = [];
  const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  for (let at = 0; at < view.byteLength;) {
    if (at + 46 > view.byteLength || view.getUint32(at, true) !== 0x02014b50) throw damaged(`no entry is at byte ${at} of it`);
    const nameEnd = at + 46 + view.getUint16(at + 28, true);
    const extraEnd = nameEnd + view.getUint16(at + 30, true);
    const next = extraEnd + view.getUint16(at + 32, true);
    if (next > view.byteLength) throw damaged(`the entry at byte ${at} of it is cut short`);
    let name: string;
    try {
      name = text.decode(new Uint8Array(view.buffer, at + 46, nameEnd - at - 46));
    } catch {
      throw damaged(`the name at byte ${at + 46} of it is not UTF-8`);
    }
    const wrong = (what: string): ContentError => new ContentError(`its entry ${JSON.stringify(name)} ${what}`);
    if (/^\/|^[a-z]:|[\\\0]|(?:^|\/)\.\.(?:\/|$)/i.test(name)) throw wrong('is a path that leads out of it');
    const [flags, method] = [view.getUint16(at + 8, true), view.getUint16(at + 10, true)];
    if (flags & 1) throw wrong('is encrypted');
    if (method !== 0) throw wrong(`is compressed (method ${method}); torch.save stores entries as they are`);
    // in the 64-bit form a number that is all ones stands among the extra fields instead, in this order
    const wide = wideField(view, nameEnd, extraEnd);
    const [bytes, packed, header] = [24, 20, 42].map((field) => {
      const value = view.getUint32(at + field, true);
      return value === 0xffffffff && wide ? wide() : value;
    }) as [number, number, number];
    if (bytes !== packed) throw wrong(`has ${packed} bytes for ${bytes} in it`);
    entries.push({ name, bytes, header });
    at = next;
  }
  return entries;
}

/** Reads the numbers of the extra field of the 64-bit form one after the other; undefined where there is no such field. */
function wideField(view: DataView, begin: number, end: number): (() => number) | undefined {
  for (let at = begin; at + 4 <= end;) {
    const [id, length] = [view.getUint16(at, true), view.getUint16(at + 2, true)];
    let place = at + 4;
    const fieldEnd = Math.min(end, place + length);
    at = place + length;
    if (id !== 1) continue;
    return () => {
      if (place + 8 > fieldEnd) throw damaged('a 64-bit number of it is missing');
      place += 8;
      return u64(view, place - 8);
    };
  }
  return undefined;
}

/** Where an entry's bytes begin: after its own header, which must be of the same name. */
async function dataOf(file: FileHandle, { name, header }: Listed, limit: number): Promise<number> {
  const title = Buffer.from(name);
  if (header + 30 + title.length > limit)
    throw new ContentError(`its entry ${JSON.stringify(name)} begins at byte ${header}; its entries end before ${limit}`);
  const view = await viewOf(file, header, 30 + title.length);
  const same = view.getUint16(26, true) === title.length && title.equals(new Uint8Array(view.buffer, 30));
  if (view.getUint32(0, true) !== 0x04034b50 || !same)
    throw new ContentError(`there is no entry ${JSON.stringify(name)} at byte ${header}, where its zip directory has one; it is damaged`);
  return header + 30 + title.length + view.getUint16(28, true);
}
