import { describe, expect, test } from 'vitest';
import { createModel, getFamily, listFamilies, mamba, ModelError, registerFamily } from '../src/index.js';
import { goldenConfig, tiny, tinyClassifier } from './fixtures/models.js';

describe('config.json of mamba', () => {
  test('gives the sizes, stored or derived', () => {
    expect(mamba.parseConfig(goldenConfig)).toMatchObject({
      vocabSize: 320,
      hiddenSize: 64,
      innerSize: 128,
      stateSize: 16,
      timeStepRank: 4,
      convKernel: 4,
      layers: 4,
      endOfSequence: [0],
    });
    const { intermediate_size: _, time_step_rank: __, ...derived } = tiny;
    expect(mamba.parseConfig({ ...derived, expand: 3 })).toMatchObject({
      innerSize: 30,
      timeStepRank: 1,
      convKernel: 4,
      endOfSequence: [],
    });
    expect(mamba.parseConfig({ ...tiny, expand: 3 })).toMatchObject({ innerSize: 14 });
    expect(mamba.parseConfig({ ...tiny, eos_token_id: [1, 2] }).endOfSequence).toEqual([1, 2]);
  });

  test('says what head there is', () => {
    expect(mamba.parseConfig(tiny).head).toEqual({ kind: 'language-model', tied: true });
    expect(mamba.parseConfig({ ...tiny, tie_word_embeddings: false }).head).toEqual({ kind: 'language-model', tied: false });
    expect(mamba.parseConfig(tinyClassifier).head).toEqual({
      kind: 'classifier',
      classes: 3,
      pooling: 'last',
      labels: ['ham', 'spam', 'other'],
    });
    expect(mamba.parseConfig({ ...tinyClassifier, id2label: undefined, num_labels: 2, pooling: 'mean' }).head).toEqual({
      kind: 'classifier',
      classes: 2,
      pooling: 'mean',
      labels: ['LABEL_0', 'LABEL_1'],
    });
  });

  test.each([
    ['vocab_size', 0, /vocab_size is 0/],
    ['hidden_size', '8', /hidden_size is "8"/],
    ['num_hidden_layers', 1.5, /num_hidden_layers is 1\.5/],
    ['state_size', null, /state_size is null/],
    ['time_step_rank', 'many', /time_step_rank is "many"/],
    ['hidden_act', 'gelu', /hidden_act is "gelu".*silu/],
    ['layer_norm_epsilon', -1, /layer_norm_epsilon is -1/],
    ['pooling', 'first', /pooling is "first".*mean/],
  ])('refuses %s = %j, naming both', (field, value, message) => {
    expect(() => createModel({ ...tiny, [field]: value })).toThrow(message);
    expect(() => createModel({ ...tiny, [field]: value })).toThrow(ModelError);
  });

  test('names every field that is missing', () => {
    expect(() => createModel({ model_type: 'mamba' })).toThrow(/vocab_size.*hidden_size.*num_hidden_layers/);
  });

  test('refuses a classifier of one class', () => {
    expect(() => createModel({ ...tinyClassifier, id2label: { 0: 'only' } })).toThrow(/1 classes; at least 2/);
  });
});

describe('families', () => {
  test('an unknown one is refused with the known', () => {
    expect(() => createModel({ ...tiny, model_type: 'snake' })).toThrow(/unknown model family "snake".*known: .*mamba/);
    expect(listFamilies()).toContain('mamba');
    expect(getFamily('mamba')).toBe(mamba);
  });

  test('a third party adds one by the same call; a taken name needs overwrite', () => {
    expect(() => registerFamily(mamba)).toThrow(/"mamba" is registered already; pass \{ overwrite: true \}/);
    registerFamily({ ...mamba, name: 'test-family' });
    expect(createModel({ ...tiny, model_type: 'test-family' }).family.name).toBe('test-family');
  });
});
