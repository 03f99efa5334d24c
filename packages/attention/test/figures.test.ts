// What matrices look like, in numbers: against values worked out by hand, and on small models.
import { createModel } from '@hidden-attention/model';
import { Tensor } from '@hidden-attention/tensor';
import { describe, expect, test } from 'vitest';
import { attentionFigures, attentionView, figuresOfMatrix, overSmoothing, type LayerView } from '../src/index.js';

const causal = (rows: number[][]): Float32Array => Float32Array.from(rows.flat());

describe('figures of a matrix', () => {
  test('one that reads all earlier positions alike: the largest entropy, no sparsity', () => {
    const { entropy, sparsity, nearZero, distance, negative } = figuresOfMatrix(
      causal([
        [1, 0, 0, 0],
        [0.5, 0.5, 0, 0],
        [1, 1, 1, 0],
        [2, 2, 2, 2],
      ]),
      4,
      true,
    );
    expect(entropy).toBeCloseTo(1, 6);
    expect(sparsity).toBeCloseTo(0, 6);
    expect([nearZero, negative]).toEqual([0, 0]);
    expect(distance).toBeCloseTo((0.5 + 1 + 1.5) / 3, 6);
  });

  test('one that reads the position before: no entropy, distance 1, all sparsity, whatever the sign', () => {
    const found = figuresOfMatrix(
      causal([
        [0, 0, 0],
        [-3, 0, 0],
        [0, 5, 0],
      ]),
      3,
      true,
    );
    expect(found).toMatchObject({ entropy: 0, distance: 1, sparsity: 1, negativeWeight: 0.5, negative: 0.25 });
    expect(found.nearZero).toBeCloseTo((1 / 2 + 2 / 3) / 2, 6);
  });

  test('rows of zeros say nothing; what lies above the diagonal counts where a layer reads both ways', () => {
    expect(figuresOfMatrix(new Float32Array(9), 3, true)).toMatchObject({ entropy: 0, distance: 0 });
    const both = causal([
      [0, 4],
      [0, 0],
    ]);
    expect(figuresOfMatrix(both, 2, false)).toMatchObject({ distance: 1, sparsity: 1 });
    expect(figuresOfMatrix(both, 2, true)).toMatchObject({ distance: 0 });
  });
});

const language = { vocab_size: 30, hidden_size: 12, num_hidden_layers: 2, initializer_range: 0.4 };
const ids = Array.from({ length: 11 }, (_, at) => (at * at + 3) % 30);

test.each([
  ['mamba', { ...language, model_type: 'mamba' }],
  ['mamba2', { ...language, model_type: 'mamba2', num_heads: 4, head_dim: 6, n_groups: 1, state_size: 6 }],
  ['gpt_neox', { ...language, model_type: 'gpt_neox', num_attention_heads: 2 }],
])('%s: a shorter row of a batch has the figures that it has alone', async (_, json) => {
  const model = createModel(json, { seed: 4 });
  using together = await attentionView(model, [ids, ids.slice(0, 7)]);
  using alone = await attentionView(model, [ids.slice(0, 7)]);
  const [first, short] = await attentionFigures(together.layer(1));
  const [own] = await attentionFigures(alone.layer(1));
  for (const [name, value] of Object.entries(own!)) expect(short![name as keyof typeof short]).toBeCloseTo(value, 4);
  expect(first!.entropy).toBeGreaterThan(0);
  expect(first!.entropy).toBeLessThan(1);
  if (json.model_type === 'gpt_neox') expect(first!.negative).toBe(0);
  else expect(first!.negative).toBeGreaterThan(0);
});

test.each([
  [
    'the identity acts in L directions',
    [
      [1, 0, 0],
      [0, 1, 0],
      [0, 0, 1],
    ],
    3,
  ],
  [
    'an outer product in one',
    [
      [2, 4, 6],
      [1, 2, 3],
      [3, 6, 9],
    ],
    1,
  ],
  [
    'singular values 2 and 1: between',
    [
      [2, 0],
      [0, -1],
    ],
    25 / 17,
  ],
  [
    'zero: in none',
    [
      [0, 0],
      [0, 0],
    ],
    0,
  ],
])('rank: %s', async (_, rows, rank) => {
  const length = rows.length;
  const matrix = Tensor.from(Float32Array.from(rows.flat()), [1, 1, length, length]);
  const layer = { lengths: [length], kind: 'two-way scan', dynamics: {}, matrix: () => matrix } as unknown as LayerView;
  expect((await attentionFigures(layer))[0]!.rank).toBeCloseTo(rank, 5);
});

test('over-smoothing: the mean cosine of all pairs, pair by pair, at every depth', async () => {
  const model = createModel({ ...language, model_type: 'mamba' }, { seed: 4 });
  const batch = model.batch([ids, ids.slice(0, 5)]);
  const { captured } = model.forward(batch, { capture: ['embeddings', 'layers.*.output'] });
  const found = await overSmoothing(model, batch);
  expect(found.map((row) => row.length)).toEqual([3, 3]);
  for (const [depth, name] of ['embeddings', 'layers.0.output', 'layers.1.output'].entries()) {
    const numbers = (await captured[name]!.read()) as Float32Array;
    for (const [row, count] of [11, 5].entries()) {
      const at = (i: number): Float32Array => numbers.subarray((row * 11 + i) * 12, (row * 11 + i + 1) * 12);
      const dot = (a: Float32Array, b: Float32Array): number => a.reduce((sum, value, k) => sum + value * b[k]!, 0);
      let sum = 0;
      for (let i = 0; i < count; i++)
        for (let j = i + 1; j < count; j++) sum += dot(at(i), at(j)) / Math.sqrt(dot(at(i), at(i)) * dot(at(j), at(j)));
      expect(found[row]![depth]).toBeCloseTo((2 * sum) / (count * (count - 1)), 5);
    }
  }
});
