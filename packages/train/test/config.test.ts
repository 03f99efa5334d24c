import { describe, expect, test } from 'vitest';
import { parseTrainConfig, TrainError } from '../src/index.js';
import { configDifferences } from '../src/config.js';
import { recipe } from './support.js';

function problem(changes: object): string {
  try {
    parseTrainConfig({ ...recipe, ...changes });
  } catch (error) {
    expect(error).toBeInstanceOf(TrainError);
    return (error as Error).message;
  }
  throw new Error('nothing was refused');
}

describe('parseTrainConfig', () => {
  test('fills in the defaults', () => {
    expect(parseTrainConfig({ task: 'language-modelling', model: {}, steps: 3 })).toMatchObject({
      tokenizer: 'byte',
      beta1: 0.9,
      beta2: 0.95,
      clipNorm: 1,
      accumulation: 1,
      seed: 0,
    });
  });

  test.each([
    [{ learningrate: 1 }, 'unknown field learningrate; known: task, model'],
    [{ validation: { fracton: 0.1 } }, 'validation is {"fracton":0.1}'],
    [{ batchSize: 0 }, 'batchSize is 0'],
    [{ learningRate: '3e-4' }, 'learningRate is "3e-4"'],
    [{ task: 'translation' }, 'task is "translation"'],
    [{ steps: undefined }, 'give either steps or epochs'],
    [{ epochs: 2 }, 'steps is 12: give either steps or epochs'],
    [{ beta2: 1 }, 'beta2 is 1'],
    [{ labelSmoothing: 0.1 }, 'labelSmoothing is 0.1: it is for classification only'],
    [{ validation: { fraction: 1 } }, 'validation.fraction is 1'],
  ])('%j is refused: %s', (changes, message) => {
    expect(problem(changes)).toContain(message);
  });

  test('names every problem at once', () => {
    expect(problem({ steps: -1, length: 1.5 })).toMatch(/steps is -1.*length is 1\.5/);
  });

  test.each([null, 3, 'recipe', []])('%j is no recipe', (json) => {
    expect(() => parseTrainConfig(json)).toThrow(/the recipe is/);
  });
});

test('configDifferences gives the paths in which recipes differ, with both values', () => {
  const changed = { ...recipe, learningRate: 0.5, model: { ...recipe.model, hidden_size: 32 }, epochs: 1 };
  expect(configDifferences(recipe, changed)).toEqual([
    'model.hidden_size (16, now 32)',
    'learningRate (0.01, now 0.5)',
    'epochs (absent, now 1)',
  ]);
  expect(configDifferences(recipe, structuredClone(recipe))).toEqual([]);
});
