import type { FileHandle } from 'node:fs/promises';
import { arrayFor, elementBytes, type ArrayOfDType, type StoredDType } from './dtypes.js';
import { ContentError, named, readNumbers, type StoredTensor } from './file-reading.js';
import { Global, Tuple, type Makers, type Value } from './pickle.js';

/** Numbers in a file that several tensors may share. */
export class Storage {
  /** where its bytes begin; set when they have been found */
  position: number | undefined;
  constructor(
    readonly key: string,
    readonly dtype: StoredDType,
    /** number of numbers */
    readonly count: number,
  ) {}
  get bytes(): number {
    return this.count * elementBytes[this.dtype];
  }
}

/** A tensor as a pickle describes it: numbers of a storage, from `offset` on, `strides` apart. */
export class StridedTensor {
  constructor(
    readonly storage: Storage,
    readonly offset: number,
    readonly shape: readonly number[],
    readonly strides: readonly number[],
  ) {}
}

const storageTypes: Readonly<Record<string, StoredDType>> = {
  FloatStorage: 'F32',
  DoubleStorage: 'F64',
  HalfStorage: 'F16',
  BFloat16Storage: 'BF16',
  LongStorage: 'I64',
  IntStorage: 'I32',
  ShortStorage: 'I16',
  CharStorage: 'I8',
  ByteStorage: 'U8',
  BoolStorage: 'BOOL',
};

/** Element types of PyTorch files that are read, by their names in safetensors files. */
export const storageTypeNames: readonly string[] = Object.values(storageTypes);

function rebuildTensor([storage, offset, shape, strides]: readonly Value[]): StridedTensor {
  const sizes = (value: Value | undefined): number[] => {
    if (!(value instanceof Tuple) || !value.items.every((size) => Number.isSafeInteger(size) && (size as number) >= 0))
      throw new ContentError('a tensor has a shape or strides that are not whole numbers ≥ 0');
    return value.items as number[];
  };
  if (!(storage instanceof Storage)) throw new ContentError('a tensor has no storage');
  if (!Number.isSafeInteger(offset) || (offset as number) < 0)
    throw new ContentError(`a tensor begins at ${String(offset)} of its storage`);
  const tensor = new StridedTensor(storage, offset as number, sizes(shape), sizes(strides));
  checkFits(tensor);
  return tensor;
}

/** That a tensor lies in its storage, and is not larger than it. */
function checkFits({ storage, offset, shape, strides }: StridedTensor): void {
  if (shape.length !== strides.length) throw new ContentError(`a tensor of shape [${shape}] has ${strides.length} strides`);
  if (shape.includes(0)) return;
  const count = shape.reduce((product, size) => product * size, 1);
  const last = shape.reduce((sum, size, axis) => sum + (size - 1) * strides[axis]!, offset);
  if (!(last < storage.count) || !(count <= storage.count)) {
    throw new ContentError(
      `a tensor of shape [${shape}], strides [${strides}], from ${offset} on does not lie in its storage of ${storage.count} numbers; the file is damaged`,
    );
  }
}

/** What pickles of tensors may make; storages that they name are collected in `storages` by key. */
export function tensorMakers(storages: Map<string, Storage>): Makers {
  const map = ([items]: readonly Value[]): Map<Value, Value> => {
    const pairs = items === undefined ? [] : (items as Value[]);
    if (!Array.isArray(pairs) || !pairs.every((pair) => pair instanceof Tuple && pair.items.length === 2))
      throw new ContentError('an ordered dictionary is not made of pairs');
    return new Map(pairs.map((pair) => (pair as Tuple).items as unknown as [Value, Value]));
  };
  return {
    calls: {
      'collections.OrderedDict': map,
      'torch._utils._rebuild_tensor': rebuildTensor,
      'torch._utils._rebuild_tensor_v2': rebuildTensor,
      'torch._utils._rebuild_parameter': ([tensor]) => {
        if (!(tensor instanceof StridedTensor)) throw new ContentError('a parameter has no tensor');
        return tensor;
      },
      'torch.Size': ([items]) => items ?? new Tuple([]),
    },
    names: (name) => name.startsWith('torch.') && Object.hasOwn(storageTypes, name.slice('torch.'.length)),
    persistent(id) {
      const [kind, type, key, , count] = id instanceof Tuple ? id.items : [];
      if (kind !== 'storage' || !(type instanceof Global) || (typeof key !== 'string' && typeof key !== 'number'))
        throw new ContentError('its pickle refers to something that is no storage');
      const dtype = storageTypes[type.name.slice('torch.'.length)];
      if (!dtype) throw new ContentError(`a storage of type ${type.name} is not known; known: ${Object.keys(storageTypes).join(', ')}`);
      if (!Number.isSafeInteger(count) || (count as number) < 0) throw new ContentError(`storage ${key} claims ${String(count)} numbers`);
      const known = storages.get(String(key));
      if (known && (known.dtype !== dtype || known.count !== count))
        throw new ContentError(`storage ${key} is described twice, and differently; the file is damaged`);
      const storage = known ?? new Storage(String(key), dtype, count as number);
      storages.set(String(key), storage);
      return storage;
    },
  };
}

/** Depth to which dictionaries may lie in one another. */
const deepest = 32;
/** Tensors that one file may name. */
const most = 1_000_000;

/** The tensors in a value, their names joined by dots where dictionaries or lists lie in one another; other values are passed over. */
export function tensorsIn(value: Value): Map<string, StridedTensor> {
  const found = new Map<string, StridedTensor>();
  let seen = 0;
  const visit = (item: Value, name: string, depth: number): void => {
    if (++seen > most) throw new ContentError(`it names more than ${most} values; it is damaged`);
    if (item instanceof StridedTensor) {
      if (found.has(name)) throw new ContentError(`the name "${name}" stands twice in it; each tensor must be stored once`);
      found.set(name, item);
    } else if (item instanceof Map || Array.isArray(item) || item instanceof Tuple) {
      if (depth >= deepest) throw new ContentError(`its dictionaries lie more than ${deepest} deep in one another; it is damaged`);
      const entries = item instanceof Map ? item : (item instanceof Tuple ? item.items : (item as Value[])).entries();
      for (const [key, inner] of entries) {
        const part = typeof key === 'string' || typeof key === 'number' ? String(key) : '?';
        visit(inner, name === '' ? part : `${name}.${part}`, depth + 1);
      }
    }
  };
  visit(value, '', 0);
  if (found.size === 0) throw new ContentError('there is no tensor in it');
  return found;
}

/** Wrappers that training programs put around a model's weights; the weights are what counts. */
const wrappers = ['state_dict', 'model_state_dict', 'model'];

/** The weights in a saved object: those under one of the usual wrappers, where there is one, else all. */
export function weightsIn(value: Value): Value {
  if (!(value instanceof Map)) return value;
  const wrapper = wrappers.find((name) => value.get(name) instanceof Map);
  return wrapper === undefined ? value : value.get(wrapper)!;
}

/** A tensor to be read from an open file. */
export function storedTensor(path: string, file: FileHandle, name: string, tensor: StridedTensor): StoredTensor {
  const { storage, shape } = tensor;
  return {
    name,
    dtype: storage.dtype,
    shape,
    read: () => named(path, 'a PyTorch file', () => readStrided(file, tensor)),
  };
}

async function readStrided(file: FileHandle, { storage, offset, shape, strides }: StridedTensor): Promise<ArrayOfDType[StoredDType]> {
  const { dtype, position } = storage;
  if (shape.includes(0)) return arrayFor(dtype, 0);
  const each = elementBytes[dtype];
  const count = shape.reduce((product, size) => product * size, 1);
  let inner = 1;
  const contiguous = shape
    .map((size, axis) => ({ size, stride: strides[axis]! }))
    .reverse()
    .every(({ size, stride }) => {
      const fits = size === 1 || stride === inner;
      inner *= size;
      return fits;
    });
  if (contiguous) return readNumbers(file, dtype, position! + offset * each, count);
  const span = 1 + shape.reduce((sum, size, axis) => sum + (size - 1) * strides[axis]!, 0);
  const all = await readNumbers(file, dtype, position! + offset * each, span);
  const numbers = arrayFor(dtype, count);
  const index = shape.map(() => 0);
  for (let i = 0, from = 0; i < count; i++) {
    numbers[i] = all[from]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      from -= index[axis]! * strides[axis]!;
      index[axis] = 0;
    }
  }
  return numbers;
}
