import type { FileHandle } from 'node:fs/promises';
import { elementBytes, type StoredDType } from './dtypes.js';
import { ContentError, named, readHalves, type StoredTensor } from './file-reading.js';
import { Global, show, Tuple, type Makers, type Value } from './pickle.js';
import { isContiguous, readStrided } from './strided.js';

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
  'storage.UntypedStorage': 'U8',
};

/** Element types of PyTorch files that are read, by their names in safetensors files. */
export const storageTypeNames: readonly string[] = [...new Set(Object.values(storageTypes))];

/** Element types that a saved object may mention, as one of its settings: `torch.bfloat16`. */
const mentioned = /^torch\.(?:b?float|double|half|complex|u?int|long|short|bool)\d*$/;

/** The most axes that a tensor has: torch's own limit. */
const mostAxes = 64;

function rebuildTensor([storage, offset, shape, strides]: readonly Value[]): StridedTensor {
  const sizes = (value: Value | undefined): number[] => {
    if (value instanceof Tuple && value.items.length > mostAxes)
      throw new ContentError(`a tensor has ${value.items.length} axes; at most ${mostAxes} are possible`);
    if (!(value instanceof Tuple) || !value.items.every((size) => Number.isSafeInteger(size) && (size as number) >= 0))
      throw new ContentError('a tensor has a shape or strides that are not whole numbers ≥ 0');
    return value.items as number[];
  };
  if (!(storage instanceof Storage)) throw new ContentError('a tensor has no storage');
  if (!Number.isSafeInteger(offset) || (offset as number) < 0) throw new ContentError(`a tensor begins at ${show(offset)} of its storage`);
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
  const what = `a tensor of shape [${shape}], strides [${strides}], from ${offset} on`;
  if (!(last < storage.count))
    throw new ContentError(`${what} does not lie in its storage of ${storage.count} numbers; the file is damaged`);
  if (!(count <= storage.count))
    throw new ContentError(`${what} repeats the ${storage.count} numbers of its storage; save it after .contiguous()`);
}

/**
 * What pickles of tensors may make; storages that they name are collected in `storages` by key.
 * @param size bytes of the file: a pickle that makes dictionaries of the same pairs again and again gets no further than that
 */
export function tensorMakers(storages: Map<string, Storage>, size: number): Makers {
  let pairsMade = 0;
  const map = ([pairs = []]: readonly Value[]): Map<Value, Value> => {
    if (!Array.isArray(pairs)) throw new ContentError(`an ordered dictionary is made of ${show(pairs)}, not of pairs`);
    if ((pairsMade += pairs.length) > size) throw new ContentError('its dictionaries have more entries than it has bytes; it is damaged');
    const made = new Map<Value, Value>();
    for (const pair of pairs as Value[]) {
      const [key, value, ...more] = pair instanceof Tuple ? pair.items : Array.isArray(pair) ? (pair as Value[]) : [];
      if (key === undefined || value === undefined || more.length > 0) throw new ContentError('an ordered dictionary is not made of pairs');
      if (made.has(key)) throw new ContentError(`${show(key)} stands twice in a dictionary of its pickle; each name must be its own`);
      made.set(key, value);
    }
    return made;
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
      'torch.device': ([type]) => type ?? null,
    },
    names: (name) => mentioned.test(name) || (name.startsWith('torch.') && Object.hasOwn(storageTypes, name.slice('torch.'.length))),
    persistent(id) {
      const [kind, type, key, , count, view] = id instanceof Tuple ? id.items : [];
      if (kind !== 'storage' || !(type instanceof Global) || (typeof key !== 'string' && typeof key !== 'number'))
        throw new ContentError('its pickle refers to something that is no storage');
      const typeName = type.name.slice('torch.'.length);
      const dtype = Object.hasOwn(storageTypes, typeName) ? storageTypes[typeName] : undefined;
      if (!dtype) throw new ContentError(`a storage of type ${show(type)} is not known; known: ${Object.keys(storageTypes).join(', ')}`);
      if (!Number.isSafeInteger(count) || (count as number) < 0)
        throw new ContentError(`storage ${show(key)} claims ${show(count)} numbers; a whole number ≥ 0 is needed`);
      if (view !== undefined && view !== null)
        throw new ContentError(
          `storage ${show(key)} is a view of another one, as torch before 0.4 wrote them; save it again with a later torch`,
        );
      const known = storages.get(String(key));
      if (known && (known.dtype !== dtype || known.count !== count))
        throw new ContentError(`storage ${show(key)} is described twice, and differently; the file is damaged`);
      const storage = known ?? new Storage(String(key), dtype, count as number);
      storages.set(String(key), storage);
      return storage;
    },
  };
}

/** Depth to which dictionaries may lie in one another. */
const deepest = 32;

/**
 * The tensors in a value, their names joined by dots where dictionaries or lists lie in one another; other values are passed over.
 * @param size bytes of the file: each value takes one at least, unless dictionaries that hold each other multiply them
 */
export function tensorsIn(value: Value, size: number): Map<string, StridedTensor> {
  const found = new Map<string, StridedTensor>();
  let seen = 0;
  const visit = (item: Value, name: string, depth: number): void => {
    if (++seen > size) throw new ContentError('its dictionaries hold one another more often than it has bytes; it is damaged');
    if (item instanceof StridedTensor) {
      if (found.has(name)) throw new ContentError(`the name ${show(name)} stands twice in it; each tensor must be stored once`);
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
  const { storage, offset, shape } = tensor;
  const { dtype } = storage;
  const read = <R>(use: () => Promise<R>): Promise<R> => named(path, 'a PyTorch file', use);
  const count = shape.reduce((product, size) => product * size, 1);
  const halves = (dtype === 'F16' || dtype === 'BF16') && isContiguous(tensor);
  return {
    name,
    dtype,
    shape,
    read: () => read(() => readStrided(file, tensor, dtype, storage.position!)),
    ...(halves ? { readBits: () => read(() => readHalves(file, storage.position! + 2 * offset, count)) } : {}),
  };
}
