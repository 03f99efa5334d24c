import { readFileSync, writeFileSync } from 'node:fs';
import { createModel, inPrecision, type Model } from '@hidden-attention/model';
import { openDevice } from '@hidden-attention/tensor';
import { describe, expect, test } from 'vitest';
import { loadModel, readGguf, saveModel, writeGguf, writeSafetensors } from '../src/index.js';
import { temporaryFolder } from './fixtures/temporary.js';

const folder = temporaryFolder();
const sizes = { vocab_size: 40, hidden_size: 32, num_hidden_layers: 2 };
const configs: Record<string, Record<string, unknown>> = {
  mamba: { ...sizes, model_type: 'mamba', state_size: 6, tie_word_embeddings: true },
  mamba2: { ...sizes, model_type: 'mamba2', num_heads: 4, head_dim: 16, n_groups: 2, norm_groups: 2, state_size: 6 },
  // whose file has rows of keys, queries and values in another order
  gpt_neox: { ...sizes, model_type: 'gpt_neox', num_attention_heads: 4, intermediate_size: 64 },
};
const embeddings = 'backbone.embeddings.weight';
const logitsOf = (model: Model): Promise<Float32Array> => model.forward(model.batch([[1, 5, 9, 2, 7, 30, 12]])).logits!.read();

/** The largest difference, as a share of the largest number. */
function distance(a: Float32Array, b: Float32Array): number {
  const largest = Math.max(...b.map(Math.abs)) || 1;
  return Math.max(...a.map((value, i) => Math.abs(value - b[i]!))) / largest;
}

async function expectSameParameters(actual: Model, expected: Model): Promise<void> {
  for (const [name, tensor] of expected.parameters) expect(await actual.parameter(name).read(), name).toEqual(await tensor.read());
}

describe.each(Object.entries(configs))('a %s model', (name, json) => {
  const model = createModel(json, { seed: 4 });

  test('loads from safetensors as inPrecision makes it', async () => {
    const path = folder.path(name);
    await saveModel(path, model);
    const { model: loaded } = await loadModel(path, { dtype: 'int8' });
    const expected = inPrecision(model, 'int8');
    const types = (m: Model): string[] => [...m.parameters.values()].map(({ dtype }) => dtype);
    expect(types(loaded)).toEqual(types(expected));
    expect(types(loaded)).toContain('i8');
    expect(loaded.parameterBytes).toBe(expected.parameterBytes);
    await expectSameParameters(loaded, expected);
    const rounding = (await loadModel(path, { dtype: 'w8a8' })).model;
    expect(await logitsOf(rounding)).toEqual(await logitsOf(inPrecision(model, 'w8a8')));
  });

  test('as a GGUF file of Q8_0 is the same in int8 and in f32, and near that of safetensors', async () => {
    const path = folder.path(`${name}.gguf`);
    await writeGguf(path, model, { dtype: 'q8_0' });
    const wide = (await loadModel(path)).model;
    const narrow = (await loadModel(path, { dtype: 'int8' })).model;
    await expectSameParameters(narrow, wide);
    expect(distance(await logitsOf(narrow), await logitsOf(wide))).toBeLessThan(3e-5);
    // the file has the same whole numbers, their scales rounded to f16
    const rounded = inPrecision(model, 'int8');
    for (const [parameter, tensor] of rounded.parameters)
      expect(distance(await narrow.parameter(parameter).read(), await tensor.read()), parameter).toBeLessThan(2 ** -11);
    expect(distance(await logitsOf(narrow), await logitsOf(rounded))).toBeLessThan(5e-3);
    const stored = (await loadModel(path, { dtype: 'stored' })).model;
    const rounding = (await loadModel(path, { dtype: 'w8a8' })).model;
    await expectSameParameters(rounding, narrow);
    for (const { dtype, roundsActivations } of rounding.parameters.values()) expect(roundsActivations).toBe(dtype === 'i8');
    expect(await logitsOf(rounding)).toEqual(await logitsOf(inPrecision(narrow, 'w8a8')));
    expect(distance(await logitsOf(rounding), await logitsOf(narrow))).toBeGreaterThan(1e-4);
    for (const [parameter, { dtype }] of narrow.parameters) if (dtype === 'i8') expect(stored.parameter(parameter).dtype).toBe('i8');
  });
});

test('blocks of Q8_0 are taken over bit by bit', async () => {
  const path = folder.path('bits.gguf');
  await writeGguf(path, createModel(configs['mamba']!, { seed: 4 }), { dtype: 'q8_0' });
  const place = await (async (): Promise<number> => {
    await using file = await readGguf(path);
    const { numbers } = await file.tensors.get(embeddings)!.readGroups!();
    return readFileSync(path).indexOf(new Uint8Array(numbers.buffer, 32, 32));
  })();
  expect(place).toBeGreaterThan(0);
  const bytes = readFileSync(path);
  bytes.writeUInt16LE(0x3800, place - 2); // 0.5
  const numbers = Int8Array.from({ length: 32 }, (_, i) => (i === 0 ? -128 : i)); // no rounding would give these
  bytes.set(new Uint8Array(numbers.buffer), place);
  writeFileSync(path, bytes);
  const { model } = await loadModel(path, { dtype: 'int8' });
  const read = await model.parameter(embeddings).read();
  expect(Array.from(read.subarray(32, 64))).toEqual(Array.from(numbers, (q) => q / 2));
});

test('numbers that are not finite are named, and stay so', async () => {
  const model = createModel(configs['mamba']!, { seed: 4 });
  const path = folder.path('damaged');
  await saveModel(path, model);
  const tensors = await Promise.all(
    [...model.parameters].map(async ([name, tensor]) => ({ name, dtype: 'F32' as const, shape: tensor.shape, data: await tensor.read() })),
  );
  tensors.find(({ name }) => name === embeddings)!.data[40] = NaN;
  await writeSafetensors(folder.path('damaged', 'model.safetensors'), tensors);
  const loaded = await loadModel(path, { dtype: 'int8' });
  expect(loaded.warnings.join()).toContain(`1 of the 1280 numbers of ${embeddings} are NaN or infinite`);
  const read = await loaded.model.parameter(embeddings).read();
  expect(read.findIndex(Number.isNaN)).toBe(32);
  expect(Number.isNaN(read[64])).toBe(false);
});

test('is saved in f32, and can be loaded again', async () => {
  const int8 = inPrecision(createModel(configs['mamba']!, { seed: 4 }), 'int8');
  await saveModel(folder.path('again'), int8);
  await expectSameParameters((await loadModel(folder.path('again'))).model, int8);
  await expectSameParameters((await loadModel(folder.path('again'), { dtype: 'int8' })).model, int8);
});

test('one tensor at a time is held in f32', async () => {
  const deep = createModel({ ...configs['mamba'], num_hidden_layers: 24, hidden_size: 64 }, { seed: 1 });
  await saveModel(folder.path('deep'), deep);
  deep.dispose();
  const device = openDevice();
  await device.finish();
  const { live } = device.memory({ resetPeak: true });
  const { model } = await loadModel(folder.path('deep'), { dtype: 'int8' });
  await device.finish();
  const largest = Math.max(...[...model.parameters.values()].map(({ size }) => size));
  const { peak } = device.memory();
  // memory comes in blocks of more than what is asked for
  expect(peak - live).toBeLessThan(1.5 * (model.parameterBytes + 4 * largest));
  expect(1.5 * (model.parameterBytes + 4 * largest)).toBeLessThan(4 * model.parameterCount * 0.7);
  model.dispose();
});

test('an unknown type is refused before anything is read', async () => {
  await expect(loadModel('/no/such/model', { dtype: 'int4' as never })).rejects.toThrow(
    'dtype is "int4"; "stored", "f32", "bf16", "f16", "int8", "w8a8" are known',
  );
});
