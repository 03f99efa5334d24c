import { createModel, type Model } from '@hidden-attention/model';
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { answers } from '../src/answer.js';
import { answersOfVariants } from '../src/shared-prefix.js';
import { classifier, randomIds, smallModel } from './models.js';

const heads = { vocab_size: 300, hidden_size: 16, num_attention_heads: 2, num_hidden_layers: 2, initializer_range: 0.3 };
const models: readonly (readonly [string, Model])[] = [
  ['Mamba', smallModel()],
  ['a classifier of means', classifier('mean')],
  ['a classifier of the last position', classifier('last')],
  ['GPT-NeoX', createModel({ ...heads, model_type: 'gpt_neox' }, { seed: 4 })],
  [
    'GPT-2',
    createModel(
      { model_type: 'gpt2', vocab_size: 300, n_embd: 16, n_layer: 2, n_head: 2, n_positions: 200, initializer_range: 0.3 },
      { seed: 4 },
    ),
  ],
  ['Jamba', createModel({ ...heads, model_type: 'jamba', intermediate_size: 20, attn_layer_period: 2, attn_layer_offset: 1 }, { seed: 5 })],
];

/** Every text with one of its positions cut out or replaced, and some others. */
function variants(length: number): Int32Array[] {
  const text = Int32Array.from(randomIds(2, length));
  const cut = Array.from(text.keys(), (at) => text.filter((_, place) => place !== at)).slice(0, length - 1);
  const replaced = Array.from(text.keys(), (at) => text.map((id, place) => (place === at ? (id + 1) % 300 : id)));
  return [text, ...cut, ...replaced, text, text.slice(0, 40), Int32Array.of(5)];
}

/** The largest difference. */
const apart = (a: readonly Float32Array[], b: readonly Float32Array[]): number =>
  Math.max(...a.map((own, at) => own.reduce((most, value, id) => Math.max(most, Math.abs(value - b[at]![id]!)), 0)));

test.each(models)('variants of a text get the answers of %s that each gets by itself', async (_, model) => {
  const texts = variants(70);
  const [expected, actual] = [await answers(model, texts), await answersOfVariants(model, texts)];
  const size = Math.max(...expected.flatMap((logits) => [...logits].map(Math.abs)));
  expect(apart(actual, expected)).toBeLessThan(3e-5 * size);
});

test('any texts get their answers', async () => {
  const model = smallModel({ num_hidden_layers: 1 });
  const text = fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 1, maxLength: 70 });
  await fc.assert(
    fc.asyncProperty(fc.array(text, { minLength: 1, maxLength: 12 }), async (rows) => {
      const texts = rows.map((row) => Int32Array.from(row));
      const [expected, actual] = [await answers(model, texts), await answersOfVariants(model, texts)];
      expect(apart(actual, expected)).toBeLessThan(1e-3);
    }),
    { numRuns: 30 },
  );
});

test('what variants begin with is read once', async () => {
  const model = smallModel();
  const text = Int32Array.from(randomIds(2, 256));
  const texts = Array.from(text.keys(), (at) => text.map((id, place) => (place === at ? (id + 1) % 300 : id)));
  const forward = vi.spyOn(model, 'forward');
  await answersOfVariants(model, texts);
  const read = forward.mock.calls.reduce((sum, [batch]) => sum + batch.lengths.reduce((total, length) => total + length, 0), 0);
  expect(read).toBeLessThan(0.6 * 256 * 256);
  expect(read).toBeGreaterThan(0.5 * 256 * 256);
});
