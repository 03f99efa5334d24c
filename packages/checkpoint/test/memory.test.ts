import { writeFileSync } from 'node:fs';
import { createModel } from '@hidden-attention/model';
import { openDevice } from '@hidden-attention/tensor';
import { expect, test } from 'vitest';
import { loadModel, saveModel } from '../src/index.js';
import { temporaryFolder } from './fixtures/temporary.js';

const folder = temporaryFolder();
const json = { model_type: 'mamba', vocab_size: 256, hidden_size: 8, num_hidden_layers: 2, state_size: 4 };
const held = (): number => openDevice().memory().live;

// In a file of its own: here nothing but the test's own work holds memory on the device, and nothing is left to the collector.
test('a loaded model holds its parameters alone, and one that cannot be loaded holds nothing', async () => {
  const model = createModel(json);
  const size = held();
  await saveModel(folder.path('good'), model);
  await saveModel(folder.path('bad'), model);
  writeFileSync(folder.path('bad', 'tokenizer.json'), '{}'); // read after the weights
  model.dispose();
  expect(held()).toBe(0);

  const loaded = await loadModel(folder.path('good'));
  expect(held()).toBe(size);
  loaded.model.dispose();
  await expect(loadModel(folder.path('bad'))).rejects.toThrow(/tokenizer\.json/);
  expect(held()).toBe(0);
});
