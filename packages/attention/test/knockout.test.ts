// Cutting edges: against matrices with their entries set to 0, in float64, layer by layer through the model.
import {
  createModel,
  layerKindsOf,
  Model,
  type Batch,
  type PatchValue,
  type ScanDynamics,
  type SoftmaxDynamics,
} from '@hidden-attention/model';
import { affine, Tensor } from '@hidden-attention/tensor';
import { describe, expect, test } from 'vitest';
import { channelsBySpeed, knockoutPatches, type EdgeSet, type KnockoutOptions } from '../src/index.js';
import { isSoftmax, isTwoWay } from '../src/view.js';
import { distance, numbers, randomIds, randomNumbers, smallModel } from './support.js';

/** α of one row of the batch and one channel, entry (i, j); in the order of the scan. */
type Matrix = (row: number, channel: number, i: number, j: number) => number;

/** Entries of α, or of softmax probabilities, by their formulas (math.md sections 2 and 4). */
async function entriesOf(dynamics: ScanDynamics | SoftmaxDynamics, channels: number): Promise<Matrix> {
  if (isSoftmax(dynamics)) {
    const [q, k, m] = await Promise.all([numbers(dynamics.q), numbers(dynamics.k), numbers(dynamics.logSumExp)]);
    const [, length, heads, width] = dynamics.q.shape as [number, number, number, number];
    return (b, c, i, j) => {
      if (dynamics.causal && j > i) return 0;
      const head = Math.floor(c / width);
      let score = 0;
      for (let p = 0; p < width; p++)
        score += q[((b * length + i) * heads + head) * width + p]! * k[((b * length + j) * heads + head) * width + p]!;
      return Math.exp(dynamics.scale * score - m[(b * length + i) * heads + head]!);
    };
  }
  const [delta, A, B, C] = await Promise.all([dynamics.delta, dynamics.A, dynamics.B, dynamics.C].map(numbers));
  const [, length, groups, states] = dynamics.B.shape as [number, number, number, number];
  const heads = dynamics.delta.shape[2]!;
  return (b, c, i, j) => {
    if (j > i) return 0;
    const head = Math.floor((c * heads) / channels);
    const group = Math.floor((c * groups) / channels);
    const step = (at: number): number => delta![(b * length + at) * heads + head]!;
    let span = 0;
    for (let k = j + 1; k <= i; k++) span += step(k);
    let sum = 0;
    for (let n = 0; n < states; n++) {
      const at = (position: number): number => ((b * length + position) * groups + group) * states + n;
      sum += C![at(i)]! * Math.exp(A![head * states + n]! * span) * step(j) * B![at(j)]!;
    }
    return sum;
  };
}

/** The logits when layer after layer gives what its matrix, entries cut, makes of its values. */
async function denselyCut(
  model: Model,
  batch: Batch,
  layers: readonly number[],
  cut: (row: number, channel: number, i: number, j: number) => boolean,
): Promise<Float64Array> {
  const { family, config } = model;
  const patch: Record<string, PatchValue> = {};
  for (const layer of layers) {
    const kind = layerKindsOf(model)[layer]!;
    const ways = kind === 'two-way scan' ? (['forward', 'backward'] as const) : [undefined];
    for (const way of ways) {
      const prefix = `layers.${layer}.${way ? `${way}.` : ''}`;
      const [valuesName, resultName] = kind === 'softmax' ? [`${prefix}v`, `${prefix}attended`] : [`${prefix}u`, `${prefix}scan`];
      const capture = [...family.dynamicsSites(layer, config), valuesName, resultName];
      const { captured } = model.forward(batch, { capture, patch });
      const both = family.dynamics(model, captured, layer);
      const dynamics = isTwoWay(both) ? both[way!] : both;
      const result = captured[resultName]!;
      const [rows, length, channels] = result.shape as [number, number, number];
      const [values, given, entry] = [await numbers(captured[valuesName]!), await numbers(result), await entriesOf(dynamics, channels)];
      const turned = (at: number): number => (way === 'backward' ? length - 1 - at : at);
      for (let b = 0; b < rows; b++)
        for (let c = 0; c < channels; c++)
          for (let i = 0; i < batch.lengths[b]!; i++)
            for (let j = 0; j < batch.lengths[b]!; j++)
              if (cut(b, c, i, j))
                given[(b * length + i) * channels + c]! -= entry(b, c, turned(i), turned(j)) * values[(b * length + j) * channels + c]!;
      patch[resultName] = Tensor.from(Float32Array.from(given), result.shape);
    }
  }
  return numbers(model.forward(batch, { patch, logits: 'last' }).logits!);
}

const text = { vocab_size: 40, initializer_range: 0.5 };
const scans = { ...text, hidden_size: 12, num_hidden_layers: 3, state_size: 5 };
const heads = { ...text, hidden_size: 16, num_attention_heads: 2, num_hidden_layers: 2 };
const images = { img_size: 12, patch_size: 4, embed_dim: 12, depth: 2, num_classes: 3 };

/** The same with steps of about 1 and larger x_proj and in_proj, so that much is read through the scan. */
function withLargeSteps(model: Model): Model {
  const parameters = new Map(model.parameters);
  for (const [name, tensor] of model.parameters) {
    if (/dt_(proj(_b)?\.)?bias$/.test(name)) parameters.set(name, Tensor.from(randomNumbers(tensor.size, tensor.size), tensor.shape));
    if (/(x_proj|in_proj|patch_embed)\S*weight$/.test(name)) parameters.set(name, affine(tensor, 3));
  }
  return new Model(model.family, model.config, model.json, parameters, model.device);
}

const plain: readonly (readonly [string, Model])[] = [
  ['Mamba', smallModel()],
  ['Falcon-Mamba', createModel({ ...scans, model_type: 'falcon_mamba' }, { seed: 2 })],
  ['Mamba-2', createModel({ ...scans, model_type: 'mamba2', num_heads: 4, head_dim: 6, n_groups: 2 }, { seed: 3 })],
  ['GPT-NeoX', createModel({ ...heads, model_type: 'gpt_neox' }, { seed: 4 })],
  ['Jamba', createModel({ ...heads, model_type: 'jamba', intermediate_size: 20, attn_layer_period: 2, attn_layer_offset: 1 }, { seed: 5 })],
  ['Vim', createModel({ ...images, model_type: 'vim', d_state: 4 }, { seed: 6 })],
  ['ViT', createModel({ ...images, model_type: 'vit', num_heads: 3, initializer_range: 0.3 }, { seed: 7 })],
];
const models = plain.map(([name, model]) => [name, withLargeSteps(model)] as const);

const batchOf = (model: Model): Batch =>
  model.family.images ? model.images(randomNumbers(9, 2 * 3 * 12 * 12), [2, 3, 12, 12]) : model.batch(randomIds(8, 11, 7, 9));

async function cutLogits(model: Model, batch: Batch, options: KnockoutOptions): Promise<Float64Array> {
  return numbers(model.forward(batch, { patch: await knockoutPatches(model, batch, options), logits: 'last' }).logits!);
}

describe.each(models)('cutting edges of %s', (_, model) => {
  const batch = batchOf(model);
  const layers = Array.from({ length: model.config.layers }, (_unused, layer) => layer);

  test('some inputs to some outputs, in all layers, is zeroing entries of the matrices', async () => {
    const edges: EdgeSet[] = [
      { from: [1, 2], to: [-1, 4] },
      { from: [2, 3], to: [4, 5] }, // overlaps: an edge is cut once
      { from: [5], to: [5] }, // a position's reading of itself
    ];
    const expected = await denselyCut(model, batch, layers, (b, _channel, i, j) => {
      const last = batch.lengths[b]! - 1;
      return ([last, 4].includes(i) && [1, 2].includes(j)) || ([4, 5].includes(i) && [2, 3].includes(j)) || (i === 5 && j === 5);
    });
    const actual = await cutLogits(model, batch, { edges });
    expect(distance(actual, expected)).toBeLessThan(3e-5);
    expect(distance(actual, await numbers(model.forward(batch, { logits: 'last' }).logits!))).toBeGreaterThan(1e-2);
  });

  test('in a window of layers and some channels, positions by row of the batch', async () => {
    const from = batch.lengths.map((__, row) => [row, 3]);
    const channels = [0, 3, 4, 9];
    const expected = await denselyCut(model, batch, [1], (b, c, _i, j) => channels.includes(c) && (j === b || j === 3));
    const actual = await cutLogits(model, batch, { edges: [{ from }], layers: [1], channels });
    expect(distance(actual, expected)).toBeLessThan(3e-5);
  });
});

test('one direction of Vision Mamba is cut, the other left', async () => {
  const [, model] = models.find(([name]) => name === 'Vim')!;
  const batch = batchOf(model);
  const edges = [{ from: [3], to: [6] }]; // only the forward scan reads 3 at 6
  const clean = await numbers(model.forward(batch).logits!);
  const forward = await cutLogits(model, batch, { edges, direction: 'forward' });
  expect(distance(await cutLogits(model, batch, { edges, direction: 'backward' }), clean)).toBeLessThan(1e-6);
  expect(forward).toEqual(await cutLogits(model, batch, { edges }));
  expect(distance(forward, clean)).toBeGreaterThan(1e-4);
});

test('the slowest channels keep most of a state of ones, the fastest least', async () => {
  const model = smallModel();
  const slow = await channelsBySpeed(model, 0, 'slow');
  const fast = await channelsBySpeed(model, 0, 'fast');
  const log = await model.parameter('backbone.layers.0.mixer.A_log').read();
  const left = (channel: number): number =>
    log.slice(channel * 5, channel * 5 + 5).reduce((sum, value) => sum + Math.exp(-Math.exp(value)), 0);
  expect(slow).toHaveLength(8);
  expect(new Set([...slow, ...fast]).size).toBe(16);
  const others = Array.from({ length: 24 }, (_, c) => c).filter((c) => !slow.includes(c));
  expect(Math.min(...slow.map(left))).toBeGreaterThanOrEqual(Math.max(...others.map(left)));
});

test('what cannot be cut is refused by name', async () => {
  const model = smallModel();
  const batch = model.batch([[1, 2, 3]]);
  const cut = (options: Partial<KnockoutOptions>): Promise<unknown> =>
    knockoutPatches(model, batch, { edges: [{ from: [0] }], ...options });
  await expect(cut({ edges: [] })).rejects.toThrow('no edges were given');
  await expect(cut({ edges: [{ from: [3] }] })).rejects.toThrow('position 3 of row 0 does not exist; the row has positions 0 to 2');
  await expect(cut({ edges: [{ from: [[0], [1]] }] })).rejects.toThrow('positions of 2 rows were given; the batch has 1 rows');
  await expect(cut({ layers: [3] })).rejects.toThrow('layer 3 does not exist; the model has layers 0 to 2');
  await expect(cut({ direction: 'forward' })).rejects.toThrow("layer 0 reads one way; it has no direction 'forward'");
  await expect(cutLogits(model, batch, { edges: [{ from: [0] }], channels: [24] })).rejects.toThrow('channel 24 does not exist');
  await expect(channelsBySpeed(models[3]![1], 0, 'slow')).rejects.toThrow('softmax attention');
});
