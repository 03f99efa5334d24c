import type { Model } from '@hidden-attention/model';
import { writeAll, writeAtomically } from '../atomic.js';
import { CheckpointError } from '../errors.js';
import { bytesOf, ContentError } from '../file-reading.js';
import { narrow, toHalf } from '../narrow.js';
import type { Tokenizer } from '../tokenizer.js';
import { architectures, realKeys } from './architectures.js';
import type { Correspondence } from './correspondence.js';
import type { GgufValue } from './header.js';
import { ggufTypes, type GgufType } from './types.js';
import { vocabularyOf } from './vocabulary.js';

/** How weights are stored; vectors, the convolution and A stay in f32. */
export type GgufDType = 'f32' | 'f16' | 'q8_0';

/** llama.cpp's numbers of these (general.file_type). */
const fileTypes: Readonly<Record<GgufDType, number>> = { f32: 0, f16: 1, q8_0: 7 };
const alignment = 32;

const typeOf = (name: string): GgufType => ggufTypes.find((type) => type.name === name)!;

interface Entry {
  name: string;
  type: GgufType;
  shape: readonly number[];
  offset: number;
  bytes: number;
  read(): Promise<Float32Array>;
}

/**
 * Writes a model as a GGUF file (version 3) that llama.cpp reads, whole or not at all: models of the families of `architectures`
 * with a language model's head. With `q8_0`, rows that are no multiple of 32 are stored in f16.
 * @throws CheckpointError for what the format has no place for, or a place that cannot be written
 */
export async function writeGguf(
  path: string,
  model: Model,
  { dtype = 'f16', tokenizer = null, name }: { dtype?: GgufDType; tokenizer?: Tokenizer | null; name?: string } = {},
): Promise<void> {
  const architecture = architectures.find(({ families }) => families.includes(model.family.name));
  if (!architecture) {
    const known = architectures.flatMap(({ families }) => families).join(', ');
    throw new CheckpointError(`cannot write ${path}: GGUF files of the family ${model.family.name} are not written; known: ${known}`);
  }
  let metadata: Record<string, GgufValue>;
  try {
    metadata = architecture.metadata(model);
  } catch (error) {
    if (!(error instanceof ContentError)) throw error;
    throw new CheckpointError(`cannot write ${path}: ${error.message}`, { cause: error });
  }
  const vocabulary = vocabularyOf(tokenizer, model.config.vocabSize, model.config.endOfSequence);
  if (!vocabulary)
    throw new CheckpointError(
      `cannot write ${path}: its tokenizer is not byte-level BPE that cuts texts as GPT-2 did, which is all that is written`,
    );
  const entries = entriesOf(model, architecture.tensors, dtype);
  const header = headerOf(
    {
      'general.architecture': architecture.name,
      'general.name': name ?? model.family.name,
      'general.file_type': fileTypes[dtype],
      'general.quantization_version': 2,
      ...metadata,
      ...vocabulary,
    },
    entries,
  );
  await writeAtomically(path, async (file) => {
    await writeAll(file, header);
    for (const { type, bytes, read } of entries) {
      await writeAll(file, encode(type, await read()));
      await writeAll(file, new Uint8Array(padding(bytes)));
    }
  });
}

const padding = (length: number): number => (alignment - (length % alignment)) % alignment;

function entriesOf(model: Model, tensors: readonly Correspondence[], dtype: GgufDType): Entry[] {
  let offset = 0;
  return [...model.parameters].map(([ours, tensor]): Entry => {
    const layer = /\.(?:layers|h)\.(\d+)\./.exec(ours)?.[1] ?? '';
    const known = tensors.find((one) => one.ours.replace('%', layer) === ours);
    if (!known) throw new CheckpointError(`GGUF has no name for the parameter ${ours}`);
    const shape = known.shape?.(tensor.shape, model.config as never) ?? tensor.shape;
    const type = typeFor(shape, known.exact === true, dtype);
    const bytes = (tensor.size / type.block) * type.bytes;
    const entry: Entry = {
      name: known.theirs.replace('%', layer),
      type,
      shape,
      offset,
      bytes,
      read: async () => {
        const numbers = await tensor.read();
        const values = known.write ? numbers.map(known.write) : numbers;
        return known.rearrange ? known.rearrange.write(values, tensor.shape, model.config as never) : values;
      },
    };
    offset += bytes + padding(bytes);
    return entry;
  });
}

function typeFor(shape: readonly number[], exact: boolean, dtype: GgufDType): GgufType {
  if (exact || shape.length < 2 || dtype === 'f32') return typeOf('F32');
  return typeOf(dtype === 'q8_0' && shape.at(-1)! % 32 === 0 ? 'Q8_0' : 'F16');
}

function encode(type: GgufType, numbers: Float32Array): Uint8Array {
  if (type.name === 'F32') return bytesOf(numbers);
  if (type.name === 'F16') return bytesOf(narrow('F16', numbers));
  const bytes = new Uint8Array((numbers.length / 32) * 34);
  const view = new DataView(bytes.buffer);
  for (let block = 0; block < numbers.length / 32; block++) {
    const values = numbers.subarray(32 * block, 32 * (block + 1));
    // as ggml rounds: the scale in f32, halves away from zero
    const d = Math.fround(values.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 127);
    const inverse = d === 0 ? 0 : Math.fround(1 / d);
    view.setUint16(34 * block, toHalf(d), true);
    values.forEach((value, i) => {
      const scaled = Math.fround(value * inverse);
      view.setInt8(34 * block + 2 + i, Math.sign(scaled) * Math.floor(Math.abs(scaled) + 0.5));
    });
  }
  return bytes;
}

/** The header, filled up to the alignment. */
function headerOf(metadata: Record<string, GgufValue>, entries: readonly Entry[]): Uint8Array {
  const parts: Buffer[] = [];
  const fixed = (bytes: number, set: (buffer: Buffer) => void): void => {
    const buffer = Buffer.alloc(bytes);
    set(buffer);
    parts.push(buffer);
  };
  const u32 = (value: number): void => fixed(4, (buffer) => void buffer.writeUInt32LE(value));
  const u64 = (value: number): void => fixed(8, (buffer) => void buffer.writeBigUInt64LE(BigInt(value)));
  const text = (value: string): void => {
    const bytes = Buffer.from(value, 'utf8');
    u64(bytes.length);
    parts.push(bytes);
  };
  parts.push(Buffer.from('GGUF'));
  u32(3);
  u64(entries.length);
  u64(Object.keys(metadata).length);
  for (const [key, value] of Object.entries(metadata)) {
    text(key);
    if (typeof value === 'string') {
      u32(8);
      text(value);
    } else if (typeof value === 'boolean') {
      u32(7);
      fixed(1, (buffer) => void buffer.writeUInt8(Number(value)));
    } else if (Array.isArray(value)) {
      const texts = value.every((item) => typeof item === 'string');
      u32(9);
      u32(texts ? 8 : 5);
      u64(value.length);
      for (const item of value) {
        if (texts) text(item as string);
        else fixed(4, (buffer) => void buffer.writeInt32LE(Number(item)));
      }
    } else if (realKeys.test(key)) {
      u32(6);
      fixed(4, (buffer) => void buffer.writeFloatLE(Number(value)));
    } else {
      u32(4);
      u32(Number(value));
    }
  }
  for (const { name, type, shape, offset } of entries) {
    text(name);
    u32(shape.length);
    for (const size of shape.toReversed()) u64(size);
    u32(type.code);
    u64(offset);
  }
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return Buffer.concat([...parts, Buffer.alloc(padding(length))]);
}
