// What is around the scan, factor by factor, and what positions contribute as vectors.
import { createModel, inPrecision, type BlockParts, type Model } from '@hidden-attention/model';
import { linear, sigmoid, Tensor } from '@hidden-attention/tensor';
import { describe, expect, test } from 'vitest';
import { attentionView, audit, auditLong, contributions, scaledLayer, type Around, type AttentionView } from '../src/index.js';
import { oneHot } from '../src/positions.js';
import { dense, distance, numbers, randomIds, randomNumbers, smallModel } from './support.js';

const mamba = smallModel();
const mamba2 = smallModel({ extra: { model_type: 'mamba2', num_heads: 4, head_dim: 6, n_groups: 2 } });
const vim = smallModel({
  extra: { model_type: 'vim', img_size: 12, patch_size: 4, embed_dim: 12, depth: 3, num_classes: 3, d_state: 5, dt_rank: 3, bias: true },
});
const viewOf = (model: Model): Promise<AttentionView> =>
  attentionView(model, model.family.images ? model.images(randomNumbers(3, 432), [1, 3, 12, 12]) : randomIds(2, 11));
const models: [string, Model][] = [
  ['mamba', mamba],
  ['mamba2', mamba2],
  ['vim', vim],
];

test.each(['conv', 'gate', 'activation'] as const)('the block without %s is the product of the other factors', async (without: Around) => {
  using view = await attentionView(mamba, randomIds(1, 9));
  const layer = view.layer(1);
  const parts = layer.parts() as BlockParts;
  const [alpha, block] = [await dense(layer), await dense(layer.block({ without: [without] }))];
  const unified = await dense(layer.unified({ without: [without] }));
  const [D, gate, ratio, taps] = await Promise.all([parts.D, parts.gate, sigmoid(parts.conv), parts.convWeight].map(numbers));
  const [, length, channels] = layer.shape;
  const width = parts.convWeight.shape[1]!;
  for (let d = 0; d < channels; d++)
    for (let i = 0; i < length; i++)
      for (let j = 0; j <= i; j++) {
        const sum = (skip: number): number => {
          let total = 0;
          for (let k = j; k <= i; k++) {
            const tap = without === 'conv' ? Number(k === j) : k - j < width ? taps![d * width + width - 1 - (k - j)]! : 0;
            const open = without === 'activation' ? 1 : ratio![k * channels + d]!;
            total += (alpha(0, d, i, k) + (k === i ? skip * D![d]! : 0)) * open * tap;
          }
          return total * (without === 'gate' ? 1 : gate![i * channels + d]!);
        };
        expect(block(0, d, i, j)).toBeCloseTo(sum(1), 4);
        expect(unified(0, d, i, j)).toBeCloseTo(sum(0), 4);
      }
});

describe.each(models)('%s', (name, model) => {
  test('contributions add up to what out_proj makes of the block, biases apart, with the exact split', async () => {
    using view = await viewOf(model);
    const layer = view.layer(1);
    const parts = layer.parts();
    const own = 'backward' in parts ? parts.forward : (parts as BlockParts);
    const output = await numbers(linear(layer.block().apply(own.x), own.outWeight!));
    const [, length] = layer.shape;
    const width = output.length / length;
    for (const at of [0, 4, length - 1]) {
      const vectors = await numbers(contributions(layer, oneHot([at], length)));
      const sum = Float64Array.from({ length: width }, (_, m) =>
        Array.from({ length }, (__, j) => vectors[j * width + m]!).reduce((a, b) => a + b, 0),
      );
      expect(distance(sum, output.subarray(at * width, (at + 1) * width))).toBeLessThan(1e-5);
      if (name !== 'vim') expect(Math.max(...vectors.subarray((at + 1) * width).map(Math.abs), 0)).toBe(0); // nothing from later positions
    }
  });

  test('the audit tells how far the published forms are from the block, ours beside them', async () => {
    using view = await viewOf(model);
    const { layers, worst } = await audit(view);
    expect(worst).toBeLessThan(1e-5);
    for (const { block, unified, latim } of layers) {
      expect(block).toBeLessThan(1e-5);
      expect(unified).toBeGreaterThan(1e-2);
      expect(latim).toBeGreaterThan(1e-2);
    }
  });

  test('scaled rows and columns are those of each channel’s matrix', async () => {
    using view = await viewOf(model);
    const layer = view.layer(2);
    const parts = layer.parts();
    const { shape } = 'backward' in parts ? parts.forward.u : (parts as BlockParts).u;
    const [, length, channels] = shape as [number, number, number];
    const random = (seed: number): Tensor => Tensor.from(randomNumbers(seed, length * channels), shape);
    const scales = { rows: random(7), columns: random(8) };
    const other = { rows: random(9), columns: random(10) };
    const scaled = await dense(scaledLayer(layer, 'backward' in parts ? { forward: scales, backward: other } : scales));
    const heads = layer.shape[2];
    const [a, b] =
      layer.kind === 'two-way scan'
        ? [await dense(layer.direction('forward')), await dense(layer.direction('backward'))]
        : [await dense(layer)];
    const [r, c, r2, c2] = await Promise.all([scales.rows, scales.columns, other.rows, other.columns].map(numbers));
    for (let d = 0; d < channels; d++)
      for (let i = 0; i < length; i++)
        for (let j = 0; j < length; j++) {
          const head = Math.floor((d * heads) / channels);
          const there = r![i * channels + d]! * a!(0, head, i, j) * c![j * channels + d]!;
          const back = b ? r2![i * channels + d]! * b(0, head, i, j) * c2![j * channels + d]! : 0;
          expect(scaled(0, d, i, j)).toBeCloseTo(there + back, 5);
        }
  });
});

test('the published split is SiLU of each tap by itself', async () => {
  using view = await attentionView(mamba, randomIds(1, 9));
  const layer = view.layer(0);
  const { x, convWeight, D, gate, outWeight } = layer.parts() as BlockParts;
  const alpha = await dense(layer);
  const [xs, taps, Ds, gates] = await Promise.all([x, convWeight, D, gate].map(numbers));
  const [, length, channels] = layer.shape;
  const width = convWeight.shape[1]!;
  const at = 7;
  const expected = new Float32Array(length * channels);
  for (let j = 0; j <= at; j++)
    for (let d = 0; d < channels; d++) {
      for (let k = j; k <= Math.min(at, j + width - 1); k++) {
        const c = taps![d * width + width - 1 - (k - j)]! * xs![j * channels + d]!;
        expected[j * channels + d]! += (alpha(0, d, at, k) + (k === at ? Ds![d]! : 0)) * (c / (1 + Math.exp(-c)));
      }
      expected[j * channels + d]! *= gates![at * channels + d]!;
    }
  const vectors = await numbers(contributions(layer, oneHot([at], length), 'silu'));
  expect(distance(vectors, await numbers(linear(Tensor.from(expected, [1, length, channels]), outWeight!)))).toBeLessThan(1e-5);
});

test('a model that rounds what out_proj reads: its view is true of what ran, and contributions add up to the unrounded product', async () => {
  const wide = smallModel({ extra: { hidden_size: 32, intermediate_size: 64 } });
  const rounding = inPrecision(wide, 'w8a8');
  using view = await attentionView(rounding, randomIds(1, 11));
  using plain = await attentionView(inPrecision(wide, 'int8'), randomIds(1, 11));
  expect((await audit(view)).worst).toBeLessThan(1e-5);
  expect((await auditLong(rounding, randomIds(1, 40)[0]!, { piece: 13 })).worst).toBeLessThan(1e-5);
  const layer = view.layer(1);
  const row = (of: AttentionView): Promise<Float64Array | Float32Array> => numbers(of.layer(1).row('last'));
  expect(distance(await row(view), await row(plain))).toBeGreaterThan(1e-5); // Δ, B and C are those of rounded activations
  const { gated, outWeight } = layer.parts() as BlockParts;
  expect(outWeight!.roundsActivations).toBe(true);
  const vectors = await numbers(contributions(layer, oneHot([10], 11)));
  const biased = await numbers(linear(layer.block().apply((layer.parts() as BlockParts).x), outWeight!.as('f32')));
  const width = biased.length / 11;
  const sum = Float64Array.from({ length: width }, (_, m) =>
    Array.from({ length: 11 }, (__, j) => vectors[j * width + m]!).reduce((a, b) => a + b, 0),
  );
  expect(distance(sum, biased.subarray(10 * width))).toBeLessThan(1e-5);
  expect(distance(await numbers(linear(gated, outWeight!)), await numbers(linear(gated, outWeight!.as('f32'))))).toBeGreaterThan(1e-4);
});

test('softmax attention has no such contributions', async () => {
  const model = createModel({ model_type: 'gpt2', vocab_size: 40, n_embd: 12, n_layer: 1, n_head: 2, n_positions: 20 });
  using view = await attentionView(model, randomIds(1, 5));
  expect(() => contributions(view.layer(0), oneHot([4], 5))).toThrow('layer 0 is softmax attention');
});
