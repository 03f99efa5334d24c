import { createModel } from '@hidden-attention/model';
import { Tensor } from '@hidden-attention/tensor';
import { describe, expect, test } from 'vitest';
import { clipFactor, lossAndGradients, lossAndSquares, Optimizer, Trained, type Sample } from '../src/index.js';
import { updateAverage, zeroWeights } from '../src/weights.js';
import { smallClassifier, smallModel } from './support.js';

const rows = Array.from({ length: 8 }, (_, r) => Uint8Array.from({ length: 12 }, (_, i) => (r * 31 + i * i * 7) % 256));
const whole: Sample = { rows, labels: Int32Array.from(rows.flatMap((row) => [...row].map((id) => (id + 1) % 256))) };
const halves: Sample[] = [0, 1].map((half) => ({
  rows: rows.slice(half * 4, half * 4 + 4),
  labels: whole.labels.subarray(half * 48, half * 48 + 48),
}));

describe('lossAndGradients', () => {
  test('of two passes of four rows are those of one of eight', async () => {
    const model = createModel(smallModel, { seed: 1 });
    const one = lossAndGradients(model, [whole]);
    const two = lossAndGradients(model, halves);
    expect(await two.loss.item()).toBeCloseTo(await one.loss.item(), 5);
    for (const [i, gradient] of one.gradients.entries()) {
      const [a, b] = [await gradient.read(), await two.gradients[i]!.read()];
      const largest = a.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      a.forEach((value, j) => expect(Math.abs(value - b[j]!)).toBeLessThanOrEqual(1e-5 * largest + 1e-9));
    }
    for (const tensor of [one.loss, two.loss, ...one.gradients, ...two.gradients]) tensor.dispose();
    model.dispose();
  });

  test('label smoothing is a mixture of the labels', async () => {
    const model = createModel(smallClassifier, { seed: 1 });
    const loss = async (labels: number[], smoothing: number): Promise<number> => {
      const { loss, gradients } = lossAndGradients(model, [{ rows, labels: Int32Array.from(labels) }], { labelSmoothing: smoothing });
      for (const tensor of gradients) tensor.dispose();
      return loss.item();
    };
    const [zeros, ones] = [Array<number>(8).fill(0), Array<number>(8).fill(1)];
    expect(await loss(zeros, 0.2)).toBeCloseTo(0.9 * (await loss(zeros, 0)) + 0.1 * (await loss(ones, 0)), 5);
    model.dispose();
  });
});

describe('clipping', () => {
  test('leaves short gradients alone and brings long ones to the limit', () => {
    expect(clipFactor(0.5, 1)).toBe(1);
    expect(clipFactor(0, 1)).toBe(1);
    expect(clipFactor(4, 1) * 4).toBeCloseTo(1, 5);
  });

  test('the squares of all gradients come with the loss in one tensor', async () => {
    const gradients = [Tensor.from(Float32Array.of(3, 0, 0, 4), [2, 2]), Tensor.from(Float32Array.of(12))];
    expect([...(await lossAndSquares(Tensor.from(Float32Array.of(0.5)), gradients).read())]).toEqual([0.5, 25, 144]); // norm 13
  });
});

describe('Optimizer', () => {
  test('weight decay spares A_log, D, biases and norms: without gradients, nothing else shrinks', async () => {
    const model = createModel(smallModel, { seed: 1 });
    const before = new Map(
      await Promise.all([...model.parameters].map(async ([name, tensor]) => [name, [...(await tensor.read())]] as const)),
    );
    const gradients = [...zeroWeights(model.parameters).values()];
    new Optimizer(new Trained(model, { seed: 0 }), { m: zeroWeights(model.parameters), v: zeroWeights(model.parameters) }).update(
      gradients,
      { step: 1, learningRate: 0.5, gradientScale: 1 },
      { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.2 },
    );
    const decayed: string[] = [];
    for (const [name, tensor] of model.parameters) {
      const after = [...(await tensor.read())];
      const start = before.get(name)!;
      if (after.some((value, i) => value !== start[i])) {
        decayed.push(name.replace(/^.*layers\.\d+\./, ''));
        after.forEach((value, i) => expect(value).toBeCloseTo(0.9 * start[i]!, 6));
      }
    }
    expect([...new Set(decayed)].sort()).toEqual([
      'backbone.embeddings.weight',
      'mixer.conv1d.weight',
      'mixer.dt_proj.weight',
      'mixer.in_proj.weight',
      'mixer.out_proj.weight',
      'mixer.x_proj.weight',
    ]);
    model.dispose();
  });

  test('the first step goes learningRate against the sign of each gradient, clipped or not', async () => {
    const model = createModel(smallModel, { seed: 1 });
    const before = await model.parameter('backbone.norm_f.weight').read();
    const gradients = [...model.parameters.values()].map((tensor) => Tensor.full(tensor.shape, -3));
    new Optimizer(new Trained(model, { seed: 0 }), { m: zeroWeights(model.parameters), v: zeroWeights(model.parameters) }).update(
      gradients,
      { step: 1, learningRate: 0.01, gradientScale: 0.1 },
      { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1 },
    );
    const after = await model.parameter('backbone.norm_f.weight').read();
    after.forEach((value, i) => expect(value).toBeCloseTo(before[i]! + 0.01, 6));
    model.dispose();
  });
});

test('updateAverage keeps the decay asked for, less in the first steps', async () => {
  const average = new Map([['w', Tensor.from(Float32Array.of(1))]]);
  const weights = new Map([['w', Tensor.from(Float32Array.of(3))]]);
  updateAverage(average, weights, 0.9, 1); // 2/11 of the old
  expect(await average.get('w')!.item()).toBeCloseTo((2 / 11) * 1 + (9 / 11) * 3, 6);
  const late = new Map([['w', Tensor.from(Float32Array.of(1))]]);
  updateAverage(late, weights, 0.9, 1000);
  expect(await late.get('w')!.item()).toBeCloseTo(1.2, 6);
});
