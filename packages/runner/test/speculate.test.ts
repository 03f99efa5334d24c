import { createModel } from '@hidden-attention/model';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { generateAll, RunnerError, type GenerateOptions } from '../src/index.js';
import { guess } from '../src/speculate.js';
import { tiny, tinyModel } from './fixtures/models.js';

test('a guess is what followed the last ids at the latest place where they stood', () => {
  expect(guess([1, 2, 3, 4, 5, 1, 2, 9, 8, 1, 2], 3)).toEqual([9, 8, 1]);
  expect(guess([1, 2, 3, 7, 1, 2, 3, 8, 5, 1, 2, 3], 9)).toEqual([8, 5, 1, 2, 3]);
  expect(guess([6, 6, 6, 6], 2)).toEqual([6]);
  expect(guess([1, 2, 3], 4)).toEqual([]);
  expect(guess([], 4)).toEqual([]);
});

const transformer = { vocab_size: 19, hidden_size: 24, num_hidden_layers: 2, num_attention_heads: 4, initializer_range: 0.15 };
const models = [
  ['mamba', tinyModel()],
  [
    'mamba2',
    createModel(
      { ...tiny, model_type: 'mamba2', intermediate_size: undefined, hidden_size: 12, num_heads: 4, head_dim: 6, n_groups: 2 },
      { seed: 3 },
    ),
  ],
  ['gpt_neox', createModel({ ...transformer, model_type: 'gpt_neox' }, { seed: 3 })],
  [
    'jamba',
    createModel(
      { ...transformer, model_type: 'jamba', num_key_value_heads: 2, intermediate_size: 20, attn_layer_period: 2, attn_layer_offset: 1 },
      { seed: 3 },
    ),
  ],
] as const;

describe.each(models)('%s guessing ahead', (_, model) => {
  test('gives the tokens of not guessing, greedy or drawn, whatever comes again', () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(4), { minLength: 1, maxLength: 12 }),
        fc.integer({ min: 1, max: 9 }),
        fc.constantFrom(0, 0.5, 1.2),
        fc.integer({ min: 1, max: 30 }),
        async (prompt, speculate, temperature, maxTokens) => {
          const options: GenerateOptions = { maxTokens, temperature, topK: 5, seed: 4, ignoreEos: true };
          const text = [...prompt, ...prompt, ...prompt];
          expect(await generateAll(model, [text], { ...options, speculate })).toEqual(await generateAll(model, [text], options));
        },
      ),
      { seed: 5, numRuns: 12 },
    ));
});

test('what it makes on the way is freed, also where the loop is left', async () => {
  const model = tinyModel();
  const text = [1, 2, 3, 4, 1, 2, 3, 4, 1, 2];
  const before = model.device.memory().live;
  await generateAll(model, [text], { maxTokens: 40, speculate: 6, ignoreEos: true });
  expect(model.device.memory().live).toBe(before);
});

test('it goes with one row, and no observer', async () => {
  const model = tinyModel();
  const options = { maxTokens: 3, speculate: 4 };
  const refused = async (...[rows, own]: [number[][], GenerateOptions]): Promise<number[][]> => generateAll(model, rows, own);
  await expect(refused([[1], [2]], options)).rejects.toThrow(/speculate goes ahead of one row; 2 prompts were given/);
  await expect(refused([[1]], { ...options, speculate: 0 })).rejects.toThrow(RunnerError);
  await expect(refused([[1]], { ...options, observer: { sites: [], see: () => {} } })).rejects.toThrow(/does not go with speculate/);
});
