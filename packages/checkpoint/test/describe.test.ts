// What a model's files tell without being loaded: of each format, in one file and several, and where something is missing.
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createModel } from '@hidden-attention/model';
import { describe, expect, test } from 'vitest';
import { CheckpointError, describeModel, loadModel, saveModel, writeGguf, writeSafetensors, type SafetensorsInput } from '../src/index.js';
import { temporaryFolder } from './fixtures/temporary.js';

const folder = temporaryFolder();
const golden = fileURLToPath(new URL('./golden/mamba1-original/', import.meta.url));
const json = { model_type: 'mamba', vocab_size: 256, hidden_size: 32, num_hidden_layers: 2, state_size: 4 };
const model = createModel(json, { seed: 1 });
const count = model.parameterCount;

/** Writes the model's tensors as safetensors, `parts` files with an index where there are several. */
async function saved(
  name: string,
  parts: number,
  change: (tensors: SafetensorsInput[]) => SafetensorsInput[] = (all) => all,
): Promise<string> {
  const own = folder.path(name);
  mkdirSync(own);
  writeFileSync(`${own}/config.json`, JSON.stringify(json));
  const all: SafetensorsInput[] = [];
  for (const [key, tensor] of model.parameters)
    all.push({ name: key, dtype: 'F32', shape: tensor.shape, data: (await tensor.read()) as Float32Array });
  const tensors = change(all);
  const map: Record<string, string> = {};
  for (let i = 0; i < parts; i++) {
    const file = parts === 1 ? 'model.safetensors' : `model-0000${i + 1}-of-0000${parts}.safetensors`;
    const part = tensors.filter((_, at) => at % parts === i);
    await writeSafetensors(`${own}/${file}`, part);
    for (const { name: key } of part) map[key] = file;
  }
  if (parts > 1) writeFileSync(`${own}/model.safetensors.index.json`, JSON.stringify({ metadata: {}, weight_map: map }));
  return own;
}

describe('describeModel', () => {
  test('safetensors, one file and several', async () => {
    const whole = { family: 'mamba', parameters: count, storedTypes: { F32: count }, missing: [], wrong: [], unused: [] };
    const one = await describeModel(await saved('one', 1));
    expect(one).toMatchObject({ ...whole, files: [{ name: 'model.safetensors', format: 'safetensors' }] });
    expect(one.files[0]!.bytes).toBeGreaterThan(4 * count);
    const several = await describeModel(await saved('several', 3));
    expect(several).toMatchObject(whole);
    expect(several.files.map(({ name }) => name)).toEqual([1, 2, 3].map((i) => `model-0000${i}-of-00003.safetensors`));
  });

  test('16 bits, GGUF, and PyTorch in the layout of its authors', async () => {
    await saveModel(folder.path('half'), model, { dtype: 'f16' });
    const { storedTypes } = await describeModel(folder.path('half'));
    expect(storedTypes['F16']! + (storedTypes['F32'] ?? 0)).toBe(count);
    await writeGguf(folder.path('own.gguf'), model, { dtype: 'q8_0', name: 'own' });
    const gguf = await describeModel(folder.path('own.gguf'));
    expect(gguf).toMatchObject({ family: 'mamba', files: [{ name: 'own.gguf', format: 'GGUF' }], missing: [], unused: [] });
    expect(gguf.storedTypes['Q8_0']).toBeGreaterThan(count / 2);
    mkdirSync(folder.path('original'));
    cpSync(`${golden}config.json`, folder.path('original', 'config.json'));
    cpSync(`${golden}pytorch_model.legacy.bin`, folder.path('original', 'pytorch_model.bin'));
    expect(await describeModel(folder.path('original'))).toMatchObject({ files: [{ format: 'PyTorch' }], storedTypes: { F32: 151_360 } });
  });

  test('what is missing, misshapen or unused, where loading refuses', async () => {
    const skip = 'backbone.layers.0.mixer.D';
    const path = await saved('damaged', 1, (all) => [
      ...all.filter(({ name }) => name !== skip).map((one) => (one.name.endsWith('1.norm.weight') ? { ...one, shape: [4, 8] } : one)),
      { name: 'extra', dtype: 'F32', shape: [1], data: Float32Array.of(1) },
    ]);
    const { missing, wrong, unused } = await describeModel(path);
    expect(missing).toEqual([{ name: skip, shape: [64] }]);
    expect(wrong).toEqual(['backbone.layers.1.norm.weight is (4, 8); config.json makes it (32)']);
    expect(unused).toEqual(['extra']);
    await expect(loadModel(path)).rejects.toThrow(CheckpointError);
  });
});

test.each([
  ['model.gguf', /as GGUF: it does not begin with "GGUF"/],
  ['pytorch_model.bin', /as a PyTorch file/],
  ['model.safetensors', /as safetensors: it claims a header of/],
])('a %s that begins like nothing known is refused as what its name says', async (name, message) => {
  const own = folder.path(`damaged-${name}`);
  mkdirSync(own);
  writeFileSync(`${own}/config.json`, JSON.stringify(json));
  writeFileSync(`${own}/${name}`, `GGUX${'\0'.repeat(100)}`);
  await expect(describeModel(own)).rejects.toThrow(message);
});
