import { open } from 'node:fs/promises';
import { named, type TensorFile } from './file-reading.js';
import { elementBytes } from './dtypes.js';
import { architectures } from './gguf/architectures.js';
import { ggufTypes } from './gguf/types.js';
import { readGguf } from './gguf/read.js';
import { beginsAsPyTorch, readPyTorch } from './pytorch.js';
import { storageTypeNames } from './pytorch-tensors.js';
import { beginsAsSafetensors, readSafetensors } from './safetensors.js';

/** A file format of weights. */
export interface WeightFormat {
  name: string;
  /** element types that are read, and those that are written, by what */
  reads: readonly string[];
  writes?: { types: readonly string[]; by: string };
  /** how names of such files end */
  endings: readonly string[];
  /** names that such files have in a model folder, in the order in which they are looked for */
  files: readonly string[];
  /** whether a file is of this format, by its first 8 bytes */
  begins(first: Uint8Array): boolean;
  open(path: string): Promise<TensorFile>;
}

/** The formats that are read. */
export const weightFormats: readonly WeightFormat[] = [
  {
    name: 'GGUF',
    reads: ggufTypes.map(({ name }) => name),
    writes: { types: ['F32', 'F16', 'Q8_0'], by: 'convert --to gguf' },
    endings: ['.gguf'],
    files: ['model.gguf'],
    begins: ([a, b, c, d]) => a === 0x47 && b === 0x47 && c === 0x55 && d === 0x46,
    open: readGguf,
  },
  {
    name: 'PyTorch',
    reads: storageTypeNames,
    endings: ['.bin', '.pt', '.pth'],
    files: ['pytorch_model.bin', 'pytorch_model.bin.index.json'],
    begins: beginsAsPyTorch,
    open: readPyTorch,
  },
  {
    name: 'safetensors',
    reads: Object.keys(elementBytes),
    writes: { types: ['F32', 'F16', 'BF16'], by: 'convert --to safetensors' },
    endings: ['.safetensors'],
    files: ['model.safetensors', 'model.safetensors.index.json'],
    begins: beginsAsSafetensors,
    open: readSafetensors,
  },
];

/** Opens a file of weights of any format, by how it begins. */
export async function openTensorFile(path: string): Promise<TensorFile> {
  return (await formatOf(path)).open(path);
}

/** The format of a file of weights, by how it begins; where that tells nothing, by its name, whose reader then says what is wrong. */
export async function formatOf(path: string): Promise<WeightFormat> {
  const first = await named(path, 'weights', async () => {
    await using file = await open(path, 'r');
    const bytes = new Uint8Array(8);
    await file.read(bytes, 0, 8, 0);
    return bytes;
  });
  const isNamed = ({ endings }: WeightFormat): boolean => endings.some((ending) => path.endsWith(ending));
  return weightFormats.find((format) => format.begins(first)) ?? weightFormats.find(isNamed) ?? weightFormats.at(-1)!;
}

/** Families that GGUF files are read and written of. */
export const ggufFamilies: readonly string[] = architectures.flatMap(({ families }) => families);
