import { byteTokenizer } from '@hidden-attention/checkpoint';
import { createModel } from '@hidden-attention/model';
import { expect, test } from 'vitest';
import { evaluateFiles } from '../src/index.js';
import { fileOf, smallClassifier, smallModel, someMail, someText } from './support.js';

const tokenizer = byteTokenizer(256);

test('a fresh language model needs about 8 bits for a byte, the same in any batches', async () => {
  const model = createModel(smallModel, { seed: 1 });
  const data = [fileOf(someText(60))];
  const one = await evaluateFiles({ model, tokenizer, data, length: 30, batchSize: 1 });
  const many = await evaluateFiles({ model, tokenizer, data, length: 30, batchSize: 5 });
  expect(one!.bitsPerByte).toBeGreaterThan(7);
  expect(one!.bitsPerByte).toBeLessThan(9);
  expect(one!.perplexity).toBeCloseTo(2 ** one!.bitsPerByte!, 6);
  expect(many!.loss).toBeCloseTo(one!.loss, 5);
  model.dispose();
});

test('a classifier: accuracy is the share of rows given their label, alone or in padded batches', async () => {
  const model = createModel(smallClassifier, { seed: 1 });
  const data = [fileOf(someMail(30))];
  const one = await evaluateFiles({ model, tokenizer, data, length: 200, batchSize: 1 });
  const many = await evaluateFiles({ model, tokenizer, data, length: 200, batchSize: 7 });
  expect(many!.accuracy).toBe(one!.accuracy);
  expect(one!.accuracy! * 30).toBeCloseTo(Math.round(one!.accuracy! * 30), 9);
  expect(many!.loss).toBeCloseTo(one!.loss, 4);
  expect(await evaluateFiles({ model, tokenizer, data, length: 200, signal: AbortSignal.abort() })).toBeUndefined();
  model.dispose();
});
