import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createModel, getFamily } from '@hidden-attention/model';
import { describe, expect, test } from 'vitest';
import { readConfig } from '../src/config-json.js';
import { CheckpointError, loadModel, readSafetensors, writeSafetensors, type SafetensorsInput } from '../src/index.js';
import { fromOriginal, isOriginal } from '../src/original-config.js';
import { temporaryFolder } from './fixtures/temporary.js';

const folder = temporaryFolder();
const golden = (name: string): string => fileURLToPath(new URL(`../../model/test/golden/${name}`, import.meta.url));
/** As mamba2-130m is published. */
const published = {
  d_model: 768,
  d_intermediate: 0,
  n_layer: 24,
  vocab_size: 50277,
  ssm_cfg: { layer: 'Mamba2' },
  attn_layer_idx: [],
  attn_cfg: {},
  rms_norm: true,
  residual_in_fp32: true,
  fused_add_norm: true,
  pad_vocab_size_multiple: 16,
  tie_embeddings: true,
};
const configOf = (json: Record<string, unknown>): object => {
  const fields = fromOriginal('config.json', json);
  return getFamily(String(fields['model_type'])).parseConfig(fields);
};

describe("the authors' config.json", () => {
  test('Mamba: the sizes that their code derives', () => {
    const json = { d_model: 768, n_layer: 24, vocab_size: 50277, ssm_cfg: {}, rms_norm: true, pad_vocab_size_multiple: 8 };
    expect(configOf(json)).toMatchObject({
      ...{ family: 'mamba', vocabSize: 50280, hiddenSize: 768, layers: 24, innerSize: 1536, stateSize: 16, timeStepRank: 48 },
      ...{ convKernel: 4, epsilon: 1e-5, useBias: false, useConvBias: true, head: { kind: 'language-model', tied: true } },
    });
    const other = {
      ...json,
      vocab_size: 50280,
      tie_embeddings: false,
      ssm_cfg: { layer: 'Mamba1', d_state: 8, d_conv: 3, expand: 1, dt_rank: 5 },
    };
    expect(configOf(other)).toMatchObject({
      vocabSize: 50280,
      innerSize: 768,
      stateSize: 8,
      timeStepRank: 5,
      convKernel: 3,
      head: { tied: false },
    });
  });

  test('Mamba-2: heads and groups', () => {
    expect(configOf(published)).toMatchObject({
      ...{ family: 'mamba2', vocabSize: 50288, innerSize: 1536, heads: 24, headSize: 64, groups: 1, normGroups: 1 },
      ...{ stateSize: 128, timeStepLimit: [0, Infinity], epsilon: 1e-5, head: { kind: 'language-model', tied: true } },
    });
    const grouped = { ...published, ssm_cfg: { layer: 'Mamba2', headdim: 96, ngroups: 4, d_state: 64, dt_limit: [0.01, 0.5] } };
    expect(configOf(grouped)).toMatchObject({
      heads: 16,
      headSize: 96,
      groups: 4,
      normGroups: 4,
      stateSize: 64,
      timeStepLimit: [0.01, 0.5],
    });
  });

  test('is known by its fields; one with a model_type is not one', () => {
    expect(isOriginal(published)).toBe(true);
    expect(isOriginal({ ...published, model_type: 'mamba' })).toBe(false);
    expect(isOriginal({ hidden_size: 8 })).toBe(false);
  });

  test.each<[object, RegExp]>([
    [{ attn_layer_idx: [9, 18] }, /config\.json: attn_layer_idx is \[9,18\]; models with attention layers in this layout are not read/],
    [{ d_intermediate: 2048 }, /d_intermediate is 2048; models with MLPs/],
    [{ rms_norm: false }, /rms_norm is false; models with a layer norm/],
    [{ d_model: '768', n_layer: 0 }, /d_model is "768"; .*number.*n_layer is 0; .*>0/],
    [{ pad_vocab_size_multiple: 0 }, /pad_vocab_size_multiple is 0/],
    [{ ssm_cfg: { layer: 'Mamba3' } }, /ssm_cfg\.layer is "Mamba3"; Mamba1 and Mamba2 are known/],
    [{ ssm_cfg: { layer: 'Mamba2', D_has_hdim: true } }, /ssm_cfg\.D_has_hdim is true/],
    [{ ssm_cfg: { layer: 'Mamba2', norm_before_gate: true } }, /ssm_cfg\.norm_before_gate is true/],
    [{ ssm_cfg: { dt_rank: 'all' } }, /ssm_cfg\.dt_rank is "all"/],
    [{ ssm_cfg: 'none' }, /ssm_cfg is "none"/],
  ])('%j is refused by name', (change, message) => {
    expect(() => fromOriginal('config.json', { ...published, ...change })).toThrow(message);
    expect(() => fromOriginal('config.json', { ...published, ...change })).toThrow(CheckpointError);
  });
});

test("a Mamba-2 model in the authors' layout: their norm takes each group by itself", async () => {
  mkdirSync(folder.path('own'));
  const hf = await readConfig(golden('mamba2-lm/config.json'));
  const original = {
    ...{ d_model: hf['hidden_size'], n_layer: hf['num_hidden_layers'], vocab_size: 90, pad_vocab_size_multiple: 16, tie_embeddings: false },
    ssm_cfg: { layer: 'Mamba2', d_state: hf['state_size'], headdim: hf['head_dim'], ngroups: hf['n_groups'], chunk_size: 16 },
  };
  writeFileSync(folder.path('own', 'config.json'), JSON.stringify(original));
  await using weights = await readSafetensors(golden('mamba2-lm/model.safetensors'));
  const renamed = [...weights.tensors.values()].map(({ name, shape, read }): SafetensorsInput => {
    const theirs = name.replace('backbone.embeddings.', 'backbone.embedding.');
    return { name: theirs, dtype: 'F32', shape, data: async () => (await read()) as Float32Array<ArrayBuffer> };
  });
  await writeSafetensors(folder.path('own', 'model.safetensors'), renamed);
  const { model, unused } = await loadModel(folder.path('own'));
  expect(unused).toEqual([]);

  await using figures = await readSafetensors(golden('mamba2-lm/golden.safetensors'));
  const ids = figures.tensors.get('input_ids')!;
  const [rows, length] = ids.shape as [number, number];
  const numbers = Array.from((await ids.read()) as BigInt64Array, Number);
  const batch = model.batch(Array.from({ length: rows }, (_, row) => numbers.slice(row * length, (row + 1) * length)));
  const logits = await model.forward(batch).logits!.read();
  const expected = (await figures.tensors.get('logits_grouped_norm')!.read()) as Float32Array;
  const { tensors } = JSON.parse(readFileSync(golden('mamba2-lm/case.json'), 'utf8')) as {
    tensors: Record<string, { tolerance: { atol: number; rtol: number } }>;
  };
  const { atol, rtol } = tensors['logits_grouped_norm']!.tolerance;
  expected.forEach((value, i) => expect(Math.abs(logits[i]! - value)).toBeLessThanOrEqual(atol + rtol * Math.abs(value)));
  model.dispose();
});

test.each(['config.json', 'config.tagged-infinity.json'])('Infinity as %s writes it', async (name) => {
  mkdirSync(folder.path('model'));
  copyFileSync(golden(`mamba2-lm/${name}`), folder.path('model', 'config.json'));
  copyFileSync(golden('mamba2-lm/model.safetensors'), folder.path('model', 'model.safetensors'));
  const { model } = await loadModel(folder.path('model'));
  expect(model.json['time_step_limit']).toEqual([0, Infinity]);
  expect(model.config).toEqual(createModel(await readConfig(golden('mamba2-lm/config.json'))).config);
  expect(model.config).toMatchObject({ timeStepLimit: [0, Infinity] });
  model.dispose();
});
