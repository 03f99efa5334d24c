import { describe, expect, test } from 'vitest';
import { loadModel } from '@hidden-attention/checkpoint';
import { createModel } from '@hidden-attention/model';
import { openDevice } from '@hidden-attention/tensor';
import { lossAndGradients, parseTrainConfig, train, type Sample } from '../src/index.js';
import { fileOf, newFolder, recipe, smallModel, someText } from './support.js';

const rows = [0, 1].map((r) => Int32Array.from({ length: 50 }, (_, i) => (r * 31 + i * i * 7) % 24));
const labels = Int32Array.from(rows.flatMap((row) => [...row].map((id) => (5 * id + 1) % 24)));
const whole: Sample = { rows, labels };
/** the second row ends earlier */
const ragged: Sample = { rows: [rows[0]!, rows[1]!.subarray(0, 21)], labels: labels.map((label, at) => (at >= 71 ? -1 : label)) };

const transformer = { vocab_size: 24, hidden_size: 24, num_hidden_layers: 2, num_attention_heads: 4, initializer_range: 0.15 };
const models: [string, Record<string, unknown>][] = [
  ['mamba', { ...smallModel, vocab_size: 24 }],
  ['mamba2', { ...smallModel, vocab_size: 24, model_type: 'mamba2', num_heads: 4, head_dim: 8, n_groups: 2 }],
  ['gpt_neox', { ...transformer, model_type: 'gpt_neox' }],
  [
    'jamba',
    {
      ...transformer,
      model_type: 'jamba',
      num_key_value_heads: 2,
      intermediate_size: 20,
      attn_layer_period: 2,
      attn_layer_offset: 1,
      mamba_d_state: 5,
    },
  ],
];

async function numbers({ loss, gradients }: ReturnType<typeof lossAndGradients>): Promise<{ loss: number; gradients: Float32Array[] }> {
  return { loss: await loss.item(), gradients: await Promise.all(gradients.map((gradient) => gradient.read() as Promise<Float32Array>)) };
}

function apart(a: readonly Float32Array[], b: readonly Float32Array[]): number {
  let [difference, size] = [0, 0];
  a.forEach((one, i) =>
    one.forEach((value, at) => {
      difference += (value - b[i]![at]!) ** 2;
      size += b[i]![at]! ** 2;
    }),
  );
  return Math.sqrt(difference / size);
}

describe.each(models)('rows of %s read in chunks', (_, json) => {
  const model = createModel(json, { seed: 1 });

  test.each([
    ['full rows', whole],
    ['rows of two lengths', ragged],
  ])('%s: with the gradient carried, all is as for whole rows; with it stopped, the loss is', async (_name, sample) => {
    const expected = await numbers(lossAndGradients(model, [sample]));
    const carried = await numbers(lossAndGradients(model, [sample], { chunk: { positions: 12, gradient: 'carried' } }));
    const stopped = await numbers(lossAndGradients(model, [sample], { chunk: { positions: 12, gradient: 'stopped' } }));
    expect(carried.loss).toBeCloseTo(expected.loss, 4);
    expect(stopped.loss).toBeCloseTo(expected.loss, 4);
    expect(apart(carried.gradients, expected.gradients)).toBeLessThan(5e-5);
    const truncated = apart(stopped.gradients, expected.gradients);
    expect(truncated).toBeGreaterThan(1e-4); // it is another gradient,
    expect(truncated).toBeLessThan(1); // and not a useless one
  });

  test('recomputing layers changes nothing', async () => {
    const chunk = { positions: 20, gradient: 'carried' } as const;
    const [plain, again] = await Promise.all(
      [false, true].map((recompute) => numbers(lossAndGradients(model, [whole], { chunk, recompute }))),
    );
    expect(apart(again!.gradients, plain!.gradients)).toBeLessThan(1e-6);
  });
});

test('the memory of a step is that of a chunk, not of the row', async () => {
  const model = createModel({ ...smallModel, hidden_size: 64, vocab_size: 24 }, { seed: 1 });
  const peakOf = async (length: number, gradient: 'stopped' | 'carried'): Promise<number> => {
    const row = Int32Array.from({ length }, (_, i) => (i * i) % 24);
    const before = openDevice().memory({ resetPeak: true });
    const found = lossAndGradients(model, [{ rows: [row], labels: row }], { chunk: { positions: 256, gradient } });
    await found.loss.item();
    const { peak } = openDevice().memory();
    for (const tensor of [found.loss, ...found.gradients]) tensor.dispose();
    return peak - before.live;
  };
  for (const gradient of ['stopped', 'carried'] as const)
    expect(await peakOf(8192, gradient)).toBeLessThan(1.6 * (await peakOf(1024, gradient)));
});

test('a recipe with chunks trains and evaluates, and resumes to the same bits', async () => {
  const text = fileOf(someText(400));
  const config = { ...recipe, steps: 6, length: 60, batchSize: 2, chunk: { positions: 16, gradient: 'carried' } };
  const out = newFolder();
  const result = await train({ config, data: [text], out });
  expect(result.reason).toBe('finished');
  expect(result.evaluation!.loss).toBeLessThan(6);
  const plain = await train({ config: { ...config, chunk: undefined }, data: [text], out: newFolder() });
  expect(result.evaluation!.loss).toBeCloseTo(plain.evaluation!.loss, 3); // the same training, cut otherwise
  (await loadModel(out)).model.dispose();
  expect(() => parseTrainConfig({ ...recipe, chunk: { positions: 8, gradients: 'carried' } })).toThrow(
    /unknown field chunk.gradients; known: positions, gradient/,
  );
});
