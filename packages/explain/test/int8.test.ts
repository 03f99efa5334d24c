import { byteTokenizer } from '@hidden-attention/checkpoint';
import { inPrecision, Model } from '@hidden-attention/model';
import { Tensor } from '@hidden-attention/tensor';
import { expect, test } from 'vitest';
import { explain, type Explanation } from '../src/index.js';
import { smallModel } from './models.js';

const text = 'Dear winner, claim your prize!';
const tokenizer = byteTokenizer(
  300,
  Array.from({ length: 44 }, (_, id) => `<${id}>`),
);

test('every method explains a model in int8, as it does one in f32 with the same numbers', async () => {
  const quantized = inPrecision(smallModel({ hidden_size: 32 }), 'int8');
  const { family, config, json, device } = quantized;
  const read = [...quantized.parameters].map(async ([name, tensor]) => [name, Tensor.from(await tensor.read(), tensor.shape)] as const);
  const same = new Model(family, config, json, new Map(await Promise.all(read)), device);
  const explained = async (model: Model): Promise<Explanation> => (await explain({ model, tokenizer, input: text, target: 42 }))[0]!;
  const [got, want] = [await explained(quantized), await explained(same)];
  expect(got.maps.map(({ method, variant }) => `${method}:${variant}`)).toEqual(
    want.maps.map(({ method, variant }) => `${method}:${variant}`),
  );
  expect(got.maps.length).toBeGreaterThan(5);
  for (const [index, { method, scores, certificate }] of got.maps.entries()) {
    const expected = want.maps[index]!.scores;
    const largest = Math.max(...expected.map(Math.abs));
    // differences of logits cannot be known better than the logits, which are f32
    const rounding = 1e-6 * Math.max(1, Math.abs(want.target.logit));
    scores.forEach((score, i) => expect(Math.abs(score - expected[i]!), method).toBeLessThanOrEqual(1e-3 * largest + rounding));
    expect(certificate.audit.worst).toBeLessThan(1e-5);
    expect(certificate.completeness?.gap ?? 0).toBeLessThan(1e-4);
  }
});
