import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createModel } from '@hidden-attention/model';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { loadModel, openTensorFile, readPyTorch } from '../src/index.js';
import { dictionary, floats, newFile, number, oldFile, oldFront, pickle, tensor, text, tuple } from './fixtures/pytorch.js';
import { rawSafetensors } from './fixtures/raw.js';
import { temporaryFolder } from './fixtures/temporary.js';

const folder = temporaryFolder();
const two = (key: string): Buffer => tensor({ key, count: 2, shape: [2], strides: [1] });

async function numbersOf(bytes: Buffer): Promise<Record<string, number[]>> {
  const path = folder.path('x.bin');
  writeFileSync(path, bytes);
  await using file = await readPyTorch(path);
  const all: Record<string, number[]> = {};
  for (const [name, stored] of file.tensors) all[name] = Array.from((await stored.read()) as Float32Array, Number);
  return all;
}

describe('torch.save files in general', () => {
  test.each(['state_dict', 'model_state_dict', 'model'])('the weights under %s are what counts', async (wrapper) => {
    const object = dictionary(['epoch', number(3)], [wrapper, dictionary(['w', two('0')])], ['optimizer', dictionary(['m', two('1')])]);
    expect(await numbersOf(newFile(object, { 0: floats(1, 2), 1: floats(3, 4) }))).toEqual({ w: [1, 2] });
  });

  test('names of dictionaries, lists and numbered entries are joined by dots', async () => {
    const listed = pickle('](', two('0'), 'N', tuple(two('1')), 'e');
    const object = dictionary(['layers', listed], ['7', pickle('}', number(5), two('0'), 's')]);
    expect(await numbersOf(newFile(object, { 0: floats(1, 2), 1: floats(3, 4) }))).toEqual({
      'layers.0': [1, 2],
      'layers.2.0': [3, 4],
      '7.5': [1, 2],
    });
  });

  test('settings beside the weights: element types, devices, sizes, nested numbers', async () => {
    const settings = pickle(
      ...['](', 'ctorch\nbfloat16\n', 'ctorch\ndevice\n', tuple(text('cpu')), 'R', 'ctorch\nSize\n', tuple(tuple(number(3))), 'R'],
      ...['F0.5\n', 'I01\n', 'L-12345678901234567890L\n', 'G', Buffer.alloc(8), 'C', 2, 'ab', 'e'],
    );
    const object = dictionary(['w', two('0')], ['settings', settings]);
    expect(await numbersOf(oldFile(object, { 0: { data: floats(1, 2), each: 4 } }))).toEqual({ w: [1, 2] });
  });

  test('an untyped storage holds bytes', async () => {
    const object = dictionary(['w', tensor({ type: 'torch.storage\nUntypedStorage', count: 3, shape: [3], strides: [1] })]);
    expect(await numbersOf(newFile(object, { 0: Buffer.from([1, 200, 3]) }))).toEqual({ w: [1, 200, 3] });
  });

  test('zip files of the 64-bit form, and with members of newer torch', async () => {
    const more = [
      { name: 'archive/byteorder', data: Buffer.from('little') },
      { name: 'archive/.format_version', data: Buffer.from('1') },
      { name: 'archive/.data/serialization_id', data: Buffer.from('1') },
    ];
    for (const zip64 of [false, true])
      expect(await numbersOf(newFile(dictionary(['w', two('0')]), { 0: floats(1, 2) }, more, zip64))).toEqual({ w: [1, 2] });
  });

  test('ordered dictionaries that Python 2 wrote as lists of lists', async () => {
    const ordered = pickle('ccollections\nOrderedDict\n](](', pickle('U', 1, 'w'), two('0'), 'ee', 0x85, 'R');
    expect(await numbersOf(newFile(ordered, { 0: floats(1, 2) }))).toEqual({ w: [1, 2] });
  });
});

const python = (() => {
  try {
    return execFileSync('python3', ['--version'], { encoding: 'utf8' }).startsWith('Python 3');
  } catch {
    return false;
  }
})();

/** Python's own pickler on stand-ins for torch's classes: every protocol, with the frames and memos that it chooses. */
const program = `
import collections, io, pickle, sys, types
def module(name, **names):
    made = sys.modules[name] = types.ModuleType(name)
    for key, value in names.items():
        value.__module__, value.__qualname__, value.__name__ = name, key, key
        setattr(made, key, value)
def rebuild(*args): pass
class FloatStorage: pass
module('torch', FloatStorage=FloatStorage)
module('torch._utils', _rebuild_tensor_v2=rebuild)
class Id:
    def __init__(self, *id): self.id = id
class Tensor:
    def __init__(self, *args): self.args = args
    def __reduce__(self): return rebuild, self.args
class Pickler(pickle._Pickler if sys.argv[2] == 'slow' else pickle.Pickler):
    def persistent_id(self, thing): return thing.id if isinstance(thing, Id) else None
protocol = int(sys.argv[1])
out = sys.stdout.buffer
def dump(thing): Pickler(out, protocol).dump(thing)
storage = Id('storage', FloatStorage, 'k\\u00e9y\\u20ac', 'cpu', 6, None)
tensors = collections.OrderedDict(('layer.%d.\\u00fc\\U0001f40d\\\\' % i, Tensor(storage, i, (2, 2), (2, 1), False, collections.OrderedDict())) for i in range(3))
for thing in (0x1950a86a20f9469cfc6c, 1001, {'little_endian': True, 'type_sizes': {'int': 4}}):
    dump(thing)
dump({'state_dict': tensors, 'numbers': [0, -1, 255, 256, 65536, -2**31, 2**70, 1.5, -0.25, True, None, 'x' * 300, (), (1,), {}] + [b'bytes'] * (protocol > 2)})
dump(['k\\u00e9y\\u20ac'])
out.write((6).to_bytes(8, 'little'))
`;

describe.skipIf(!python)("pickles of Python's own pickler", () => {
  test.each([0, 1, 2, 3, 4, 5].flatMap((protocol) => ['fast', 'slow'].map((kind) => [protocol, kind] as const)))(
    'protocol %i, the %s one',
    async (protocol, kind) => {
      // persistent ids of protocol 0 are texts; torch's are tuples, which need protocol 1
      const bytes = execFileSync('python3', ['-c', program, String(Math.max(1, protocol)), kind]);
      const path = folder.path('x.bin');
      writeFileSync(path, Buffer.concat([bytes, floats(0, 1, 2, 3, 4, 5)]));
      await using file = await openTensorFile(path);
      const all: Record<string, number[]> = {};
      for (const [name, stored] of file.tensors) all[name] = Array.from((await stored.read()) as Float32Array);
      expect(all).toEqual({ 'layer.0.ü🐍\\': [0, 1, 2, 3], 'layer.1.ü🐍\\': [1, 2, 3, 4], 'layer.2.ü🐍\\': [2, 3, 4, 5] });
    },
  );
});

/** A tensor's numbers out of its storage's, by the formula. */
function expected(storage: readonly number[], offset: number, shape: readonly number[], strides: readonly number[]): number[] {
  let at = [offset];
  shape.forEach((size, axis) => (at = at.flatMap((place) => Array.from({ length: size }, (_, i) => place + i * strides[axis]!))));
  return at.map((place) => storage[place]!);
}

test('any offset and strides: permuted, sliced, with steps, overlapping', async () => {
  const layouts = fc
    .array(fc.record({ size: fc.integer({ min: 0, max: 5 }), step: fc.integer({ min: 1, max: 3 }), order: fc.double({ noNaN: true }) }), {
      maxLength: 4,
    })
    .chain((axes) => fc.record({ axes: fc.constant(axes), offset: fc.nat(4), overlap: fc.boolean() }));
  await fc.assert(
    fc.asyncProperty(layouts, async ({ axes, offset, overlap }) => {
      const strides = axes.map(() => 0);
      let extent = 1;
      const inner = axes.map((axis, i) => ({ ...axis, i })).sort((a, b) => a.order - b.order);
      for (const { size, step, i } of inner) {
        strides[i] = overlap ? step : extent * step;
        extent = overlap ? extent + (size - 1) * step : extent + Math.max(0, size - 1) * strides[i];
      }
      const shape = axes.map(({ size }) => size);
      const count = Math.max(
        offset + Math.max(extent, 1),
        shape.reduce((product, size) => product * size, 1),
      );
      const storage = Array.from({ length: count }, (_, i) => i + 0.5);
      const object = dictionary(['w', tensor({ count, offset, shape, strides })]);
      expect(await numbersOf(newFile(object, { 0: floats(...storage) }))).toEqual({ w: expected(storage, offset, shape, strides) });
    }),
  );
});

test('a transposed tensor larger than what is read at once', async () => {
  const [rows, columns] = [1200, 900];
  const storage = Float32Array.from({ length: rows * columns }, (_, i) => i);
  const path = folder.path('x.bin');
  const object = dictionary(['w', tensor({ count: storage.length, shape: [columns, rows], strides: [1, columns] })]);
  writeFileSync(path, newFile(object, { 0: Buffer.from(storage.buffer) }));
  await using file = await readPyTorch(path);
  const numbers = (await file.tensors.get('w')!.read()) as Float32Array;
  for (const [column, row] of [
    [0, 0],
    [1, 0],
    [0, 1],
    [899, 1199],
    [437, 731],
  ] as const)
    expect(numbers[column * rows + row]).toBe(row * columns + column);
  expect(numbers.reduce((sum, number) => sum + number, 0)).toBeCloseTo((storage.length * (storage.length - 1)) / 2, -9);
});

test('halves are there as they are stored, where they lie side by side', async () => {
  const path = folder.path('x.bin');
  const halves = (shape: number[], strides: number[], offset: number): Buffer =>
    tensor({ type: 'torch\nBFloat16Storage', count: 6, offset, shape, strides });
  const bits = Uint16Array.from([0x3f80, 0x4000, 0x4040, 0x4080, 0x40a0, 0x40c0]);
  writeFileSync(
    path,
    newFile(dictionary(['a', halves([2, 2], [2, 1], 2)], ['b', halves([2, 2], [1, 2], 0)]), { 0: Buffer.from(bits.buffer) }),
  );
  await using file = await readPyTorch(path);
  const [a, b] = [file.tensors.get('a')!, file.tensors.get('b')!];
  expect([await a.readBits!(), await a.read()]).toEqual([bits.subarray(2).slice(), Float32Array.of(3, 4, 5, 6)]);
  expect([b.readBits, await b.read()]).toEqual([undefined, Float32Array.of(1, 3, 2, 4)]);
});

describe('the format is told by how a file begins', () => {
  const open = async (bytes: Buffer): Promise<string[]> => {
    const path = folder.path('x.weights');
    writeFileSync(path, bytes);
    await using file = await openTensorFile(path);
    return [...file.tensors.keys()];
  };

  test('PyTorch', async () => {
    const object = dictionary(['w', two('0')]);
    expect(await open(newFile(object, { 0: floats(1, 2) }))).toEqual(['w']);
    expect(await open(oldFile(object, { 0: { data: floats(1, 2), each: 4 } }))).toEqual(['w']);
    const inDigits = Buffer.concat([pickle(`L${0x1950a86a20f9469cfc6cn}L\n.`), oldFront.subarray(15)]);
    expect(await open(oldFile(object, { 0: { data: floats(1, 2), each: 4 } }, inDigits))).toEqual(['w']);
  });

  // 19280 is "PK", 66176 and more are 0x80 and a protocol: lengths that a header may well have
  test.each([19280, 66176, 0x0a0280, 0x8a0280])('safetensors whose header has %i bytes', async (length) => {
    const header = JSON.stringify({ w: { dtype: 'F32', shape: [2], data_offsets: [0, 8] } });
    expect(await open(rawSafetensors(header.padEnd(length), floats(1, 2)))).toEqual(['w']);
  });
});

test('a model in several files', async () => {
  const json = { model_type: 'mamba', vocab_size: 256, hidden_size: 8, num_hidden_layers: 1, state_size: 4 };
  const model = createModel(json, { seed: 1 });
  const names = [...model.parameters.keys()];
  const own = folder.path('model');
  mkdirSync(own);
  const map: Record<string, string> = {};
  for (const [part, from] of [0, 5].entries()) {
    const tensors = names.slice(from, part === 0 ? 5 : undefined);
    const storages: Record<string, Buffer> = {};
    const entries: [string, Buffer][] = [];
    for (const [i, name] of tensors.entries()) {
      const { shape } = model.parameter(name);
      const numbers = await model.parameter(name).read();
      storages[i] = floats(...numbers);
      const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, size) => product * size, 1));
      entries.push([name, tensor({ key: String(i), count: numbers.length, shape, strides })]);
      map[name] = `pytorch_model-0000${part + 1}-of-00002.bin`;
    }
    writeFileSync(`${own}/pytorch_model-0000${part + 1}-of-00002.bin`, newFile(dictionary(...entries), storages));
  }
  writeFileSync(`${own}/config.json`, JSON.stringify(json));
  writeFileSync(`${own}/pytorch_model.bin.index.json`, JSON.stringify({ metadata: {}, weight_map: map }));
  const loaded = await loadModel(own);
  for (const name of names) expect(await loaded.model.parameter(name).read()).toEqual(await model.parameter(name).read());
  loaded.model.dispose();
  model.dispose();

  writeFileSync(`${own}/pytorch_model.bin.index.json`, JSON.stringify({ weight_map: { x: '../../secret.bin' } }));
  await expect(loadModel(own)).rejects.toThrow(/weight_map names "\.\.\/\.\.\/secret\.bin"; names of files in the same folder/);
});

test('an older file whose pickles are long, and one whose pickles are too long', async () => {
  const object = (length: number): Buffer =>
    dictionary(['note', pickle('X', lengthOf(length), Buffer.alloc(length, 'x'))], ['w', two('0')]);
  const lengthOf = (length: number): Buffer => Buffer.from(Uint32Array.of(length).buffer);
  const storages = { 0: { data: floats(1, 2), each: 4 } };
  expect(await numbersOf(oldFile(object(3 * 2 ** 20), storages))).toEqual({ w: [1, 2] });
  await expect(numbersOf(oldFile(object(65 * 2 ** 20), storages))).rejects.toThrow(/pickles are longer than 67108864 bytes/);
});
