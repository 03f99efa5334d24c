import type { FileHandle } from 'node:fs/promises';
import yauzl from 'yauzl';
import { ContentError } from './file-reading.js';

/** Where the bytes of an entry lie in the file. */
export interface ZipEntry {
  position: number;
  bytes: number;
}

/** Entries that a file may have: more than any model has tensors. */
const mostEntries = 100_000;

/**
 * The entries of a zip file by name, for reading their bytes in place.
 * @throws ContentError for entries that are compressed, encrypted, called twice, called by a path that leads elsewhere, or that
 * overlap or lie outside of the file
 */
export async function readZipEntries(path: string, file: FileHandle): Promise<Map<string, ZipEntry>> {
  const { size } = await file.stat();
  const zip = await new Promise<yauzl.ZipFile>((resolve, reject) =>
    yauzl.open(path, { lazyEntries: true, strictFileNames: true, autoClose: false }, (error, opened) =>
      error ? reject(wrong(error)) : resolve(opened),
    ),
  );
  try {
    if (zip.entryCount > mostEntries) throw new ContentError(`it has ${zip.entryCount} entries; at most ${mostEntries} are read`);
    const entries = new Map<string, ZipEntry>();
    await new Promise<void>((resolve, reject) => {
      zip.on('error', (error: Error) => reject(wrong(error)));
      zip.on('end', () => resolve());
      zip.on('entry', (entry: yauzl.Entry) => {
        add(zip, entry, entries, size).then(() => zip.readEntry(), reject);
      });
      zip.readEntry();
    });
    refuseOverlaps(entries);
    return entries;
  } finally {
    zip.close();
  }
}

async function add(zip: yauzl.ZipFile, entry: yauzl.Entry, entries: Map<string, ZipEntry>, size: number): Promise<void> {
  const { fileName: name, compressionMethod: method, uncompressedSize: bytes } = entry;
  if (entries.has(name)) throw new ContentError(`the entry ${JSON.stringify(name)} stands twice in it`);
  if (entry.isEncrypted()) throw new ContentError(`its entry ${JSON.stringify(name)} is encrypted`);
  if (method !== 0)
    throw new ContentError(`its entry ${JSON.stringify(name)} is compressed (method ${method}); torch.save stores entries as they are`);
  const position = await new Promise<number>((resolve, reject) =>
    zip.readLocalFileHeader(entry, { minimal: true }, (error, header) => (error ? reject(wrong(error)) : resolve(header.fileDataStart))),
  );
  if (!(position + bytes <= size))
    throw new ContentError(`its entry ${JSON.stringify(name)} ends at byte ${position + bytes}; the file has ${size}`);
  entries.set(name, { position, bytes });
}

function refuseOverlaps(entries: ReadonlyMap<string, ZipEntry>): void {
  let [end, before] = [0, ''];
  for (const [name, { position, bytes }] of [...entries].sort(([, a], [, b]) => a.position - b.position)) {
    if (bytes > 0 && position < end) throw new ContentError(`its entries ${JSON.stringify(before)} and ${JSON.stringify(name)} overlap`);
    if (bytes > 0) [end, before] = [position + bytes, name];
  }
}

const wrong = (error: Error): ContentError => new ContentError(`its zip directory is damaged: ${error.message}`, { cause: error });
