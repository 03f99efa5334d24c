import { open, type FileHandle } from 'node:fs/promises';
import { ContentError, named, readAt, type TensorFile } from './file-reading.js';
import { Cursor, PickleGoesOn, readPickle, show, type Value } from './pickle.js';
import { headerLimit } from './safetensors-header.js';
import { storedTensor, tensorMakers, tensorsIn, weightsIn, type Storage } from './pytorch-tensors.js';
import { readZipEntries } from './zip-entries.js';

const format = 'a PyTorch file';

/** Bytes of a file that its pickles may take: they hold names and shapes, not numbers. */
const longestPickles = 64 * 2 ** 20;

/** What the first pickle of the older form holds. */
const magic = 0x1950a86a20f9469cfc6cn;

/** A zip file begins with its first entry, which torch never leaves out. */
const beginsAsZip = ([a, b, c, d]: Uint8Array): boolean => a === 0x50 && b === 0x4b && c === 3 && d === 4;

/**
 * Whether a file is one of PyTorch's, by its first 8 bytes: a zip file, or a pickle of protocol 2 to 5 or of 0 and 1 that holds the
 * magic number. Safetensors files begin with the length of their header, whose first bytes may be any; no such length is as
 * large as the pickle's bytes read as one.
 */
export function beginsAsPyTorch(first: Uint8Array): boolean {
  if (beginsAsZip(first)) return true;
  if (new DataView(first.buffer, first.byteOffset, 8).getBigUint64(0, true) <= headerLimit) return false;
  const pickled = first[0] === 0x80 && first[1]! >= 2 && first[1]! <= 5;
  return pickled || Buffer.from(first).toString('latin1') === `L${magic}`.slice(0, 8);
}

/**
 * Opens what `torch.save` wrote (`.bin`, `.pt`, `.pth`), in the zip form or the older one: its pickles are read by a parser that
 * executes nothing and knows tensors only. Names in nested dictionaries are joined by dots; a `state_dict` or `model` around the
 * weights is taken off.
 * @throws CheckpointError naming the file and what is wrong with it, or what its pickle tries to import
 */
export async function readPyTorch(path: string): Promise<TensorFile> {
  const file = await named(path, format, () => open(path, 'r'));
  try {
    const value = await named(path, format, async () => {
      const first = new Uint8Array(4);
      await file.read(first, 0, 4, 0);
      return beginsAsZip(first) ? readZipForm(file) : readOldForm(file);
    });
    const { size } = await file.stat();
    const found = await named(path, format, async () => tensorsIn(weightsIn(value), size));
    const tensors = new Map([...found].map(([name, tensor]) => [name, storedTensor(path, file, name, tensor)]));
    const close = (): Promise<void> => file.close();
    return { metadata: {}, tensors, close, [Symbol.asyncDispose]: close };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** A zip file whose entries are stored as they are: NAME/data.pkl, and the numbers of storage K in NAME/data/K. */
async function readZipForm(file: FileHandle): Promise<Value> {
  const entries = await readZipEntries(file);
  const pickles = [...entries.keys()].filter((name) => name.endsWith('/data.pkl') || name === 'data.pkl');
  if (pickles.length !== 1) throw new ContentError(`it has ${pickles.length} entries called data.pkl; one is needed`);
  const folder = pickles[0]!.slice(0, -'data.pkl'.length);
  const order = entries.get(`${folder}byteorder`);
  if (order) {
    const text = new Uint8Array(Math.min(16, order.bytes));
    await readAt(file, text, order.position);
    if (Buffer.from(text).toString('latin1').trim() === 'big')
      throw new ContentError('its numbers are big-endian; save it again on a little-endian machine');
  }
  const { position, bytes } = entries.get(pickles[0]!)!;
  if (bytes > longestPickles) throw new ContentError(`its data.pkl has ${bytes} bytes; at most ${longestPickles} are read`);
  const pickle = new Uint8Array(bytes);
  await readAt(file, pickle, position);
  const storages = new Map<string, Storage>();
  const value = readPickle(new Cursor(pickle), tensorMakers(storages, bytes));
  for (const [key, storage] of storages) {
    const entry = entries.get(`${folder}data/${key}`);
    if (!entry) throw new ContentError(`storage ${show(key)} has no entry of its name under data/; the file is damaged`);
    if (entry.bytes < storage.bytes)
      throw new ContentError(`storage ${show(key)} needs ${storage.bytes} bytes; its entry has ${entry.bytes}`);
    storage.position = entry.position;
  }
  return value;
}

/** What an older file holds before its storages. */
interface OldFront {
  value: Value;
  /** keys of the storages, in the order in which they lie in the file */
  keys: readonly Value[];
  storages: Map<string, Storage>;
  /** byte at which they begin */
  end: number;
}

/** Five pickles (magic number, protocol, system, the object, the keys of its storages), then each storage: its length and numbers. */
async function readOldForm(file: FileHandle): Promise<Value> {
  const { size } = await file.stat();
  const { value, keys, storages, end } = await readOldFront(file, size);
  let position = end;
  const length = new Uint8Array(8);
  for (const key of keys) {
    const storage = typeof key === 'string' || typeof key === 'number' ? storages.get(String(key)) : undefined;
    if (!storage || storage.position !== undefined) throw new ContentError(`storage ${show(key)} is listed twice or belongs to no tensor`);
    await readAt(file, length, position);
    const count = new DataView(length.buffer).getBigInt64(0, true);
    if (count !== BigInt(storage.count))
      throw new ContentError(`storage ${show(storage.key)} has ${count} numbers; its tensors say ${storage.count}`);
    storage.position = position + 8;
    position = storage.position + storage.bytes;
    if (position > size)
      throw new ContentError(`storage ${show(storage.key)} ends at byte ${position}; the file has ${size}: it is truncated or damaged`);
  }
  const lost = [...storages.values()].find((storage) => storage.position === undefined);
  if (lost) throw new ContentError(`storage ${show(lost.key)} is not in the file; it is damaged`);
  return value;
}

/** Reads as much of a file as its pickles take: how long they are, only they say. */
async function readOldFront(file: FileHandle, size: number): Promise<OldFront> {
  for (let length = 2 ** 20; ; length *= 8) {
    const front = new Uint8Array(Math.min(size, length, longestPickles));
    await readAt(file, front, 0);
    try {
      return parseOldFront(new Cursor(front, front.length < size), size);
    } catch (error) {
      if (!(error instanceof PickleGoesOn) || front.length === longestPickles) throw error;
    }
  }
}

function parseOldFront(cursor: Cursor, size: number): OldFront {
  const storages = new Map<string, Storage>();
  const makers = tensorMakers(storages, size);
  const [first] = cursor.bytes; // a protocol, or the magic number itself in protocols 0 and 1
  if ((first !== 0x80 && first !== 0x4c) || readPickle(cursor, makers) !== magic)
    throw new ContentError('it does not begin as a file of torch.save does');
  const protocol = readPickle(cursor, makers);
  if (protocol !== 1001) throw new ContentError(`its protocol is ${show(protocol)}; 1001 is known`);
  const system = readPickle(cursor, makers);
  if (system instanceof Map && system.get('little_endian') === false)
    throw new ContentError('its numbers are big-endian; save it again on a little-endian machine');
  const value = readPickle(cursor, makers);
  const keys = readPickle(cursor, makers);
  if (!Array.isArray(keys)) throw new ContentError('its list of storages is no list; the file is damaged');
  return { value, keys, storages, end: cursor.at };
}
