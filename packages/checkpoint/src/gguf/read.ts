import { open, type FileHandle } from 'node:fs/promises';
import { ContentError, named, readAt, readNumbers, type Groups, type StoredTensor, type TensorFile } from '../file-reading.js';
import { architectures } from './architectures.js';
import type { Architecture } from './correspondence.js';
import { MoreNeeded, parseGgufHeader, type GgufHeader, type GgufPlace } from './header.js';
import { tokenizerOf } from './vocabulary.js';

const format = 'GGUF';

/** Bytes of a header that are read at most: vocabularies stand in it. */
const longestHeader = 128 * 2 ** 20;

/**
 * Opens a GGUF file of one of the known `architectures`: its tensors under our names, their blocks decoded when
 * read; its config.json and, where it has a vocabulary that is read, the content of a tokenizer.json.
 * @throws CheckpointError naming the file and what is wrong with it
 */
export async function readGguf(path: string): Promise<TensorFile> {
  const file = await named(path, format, () => open(path, 'r'));
  try {
    return await named(path, format, async () => {
      const header = await readHeader(file);
      const name = header.metadata.get('general.architecture');
      const architecture = architectures.find((known) => known.name === name);
      if (!architecture)
        throw new ContentError(
          `its ${name === undefined ? 'metadata lack general.architecture' : `architecture is ${JSON.stringify(String(name))}`}; read are ${architectures.map((known) => known.name).join(', ')}`,
        );
      const config = architecture.config(header);
      const tensors = new Map<string, StoredTensor>();
      for (const place of header.places) {
        const [ours, tensor] = stored(path, file, architecture, place, config);
        if (tensors.has(ours)) throw new ContentError(`tensor ${JSON.stringify(place.name)}: another is ${ours} already`);
        tensors.set(ours, tensor);
      }
      const tokenizer = tokenizerOf(header);
      const close = (): Promise<void> => file.close();
      return {
        metadata: Object.fromEntries(
          [...header.metadata].flatMap(([key, value]) => (typeof value === 'object' ? [] : [[key, String(value)]])),
        ) as Record<string, string>,
        tensors,
        config,
        ...(tokenizer ? { tokenizer } : {}),
        close,
        [Symbol.asyncDispose]: close,
      };
    });
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Reads as much of a file as its header takes. */
async function readHeader(file: FileHandle): Promise<GgufHeader> {
  const { size } = await file.stat();
  for (let length = Math.min(size, 1 << 20); ; length = Math.min(size, 4 * length)) {
    const bytes = new Uint8Array(length);
    await readAt(file, bytes, 0);
    try {
      return parseGgufHeader(bytes, size);
    } catch (error) {
      if (!(error instanceof MoreNeeded)) throw error;
      if (length >= longestHeader) throw new ContentError(`its header is longer than ${longestHeader} bytes`);
    }
  }
}

/** A tensor under our name and in our form. */
function stored(
  path: string,
  file: FileHandle,
  { tensors }: Architecture,
  place: GgufPlace,
  config: Readonly<Record<string, unknown>>,
): [string, StoredTensor] {
  const layer = /^blk\.(\d+)\./.exec(place.name)?.[1] ?? '';
  const known = tensors.find(({ theirs }) => theirs.replace('%', layer) === place.name);
  const name = known ? known.ours.replace('%', layer) : place.name;
  const convert = known?.read;
  const { type } = place;
  const asStored = type.group && !convert && !known?.rearrange;
  return [
    name,
    {
      name,
      dtype: type.dtype,
      ...(type.decode ? { storedAs: type.name } : {}),
      shape: known?.ourShape?.(place.shape) ?? place.shape,
      read: () =>
        named(path, format, async () => {
          const numbers = type.decode ? await decoded(file, place) : await readNumbers(file, type.dtype, place.begin, place.count);
          const values = convert ? (numbers as Float32Array<ArrayBuffer>).map(convert) : numbers;
          return known?.rearrange ? known.rearrange.read(values as Float32Array, place.shape, config) : values;
        }),
      ...(asStored ? { readGroups: () => named(path, format, () => groupsOf(file, place)) } : {}),
    },
  ];
}

/** Numbers in blocks. */
async function decoded(file: FileHandle, place: GgufPlace): Promise<Float32Array<ArrayBuffer>> {
  const { count, type } = place;
  const numbers = new Float32Array(count);
  await eachBlock(file, place, (view, at, block) => type.decode!(view, at, numbers, block * type.block));
  return numbers;
}

/** Blocks that are groups of int8, as they are stored. */
async function groupsOf(file: FileHandle, place: GgufPlace): Promise<Groups> {
  const { count, type } = place;
  const numbers = new Int8Array(count);
  const scales = new Float32Array(count / type.block);
  await eachBlock(file, place, (view, at, block) => (scales[block] = type.group!(view, at, numbers, block * type.block)));
  return { numbers, scales };
}

/** Reads a few thousand blocks at a time; `use` is told where each begins in `view`. */
async function eachBlock(
  file: FileHandle,
  { type, count, begin }: GgufPlace,
  use: (view: DataView, at: number, block: number) => void,
): Promise<void> {
  const blocks = count / type.block;
  const piece = new Uint8Array(Math.min(blocks, 4096) * type.bytes);
  const view = new DataView(piece.buffer);
  for (let first = 0; first < blocks; first += 4096) {
    const some = Math.min(4096, blocks - first);
    await readAt(file, piece.subarray(0, some * type.bytes), begin + first * type.bytes);
    for (let i = 0; i < some; i++) use(view, i * type.bytes, first + i);
  }
}
