// Maps of what enters the states: against their formulas in float64.
import { createModel, type Model } from '@hidden-attention/model';
import { describe, expect, test } from 'vitest';
import { testExplainer } from '../src/conformance.js';
import { explain, getExplainer, type ImageInput } from '../src/index.js';
import { classifier, randomIds, smallModel } from './models.js';

testExplainer(getExplainer('x-vmamba'), { options: { measure: 'jacobian' } });

const ids = randomIds(4, 14);
const pick = async (model: Model, method: string, options: object = {}): Promise<number[]> =>
  (await explain({ model, input: [ids], methods: [method], options: { [method]: { ...options } }, check: false }))[0]!.maps[0]!.scores;

/** Δ (l d), A (d n), B (l n) of a layer. */
async function dynamics(
  model: Model,
  layer: number,
): Promise<{ delta: Float64Array; A: Float64Array; B: Float64Array; channels: number; states: number }> {
  const names = ['delta', 'B'].map((name) => `layers.${layer}.${name}`);
  const { captured } = model.forward(model.batch([ids]), { capture: names });
  const [delta, B] = await Promise.all(names.map(async (name) => Float64Array.from(await captured[name]!.read())));
  const A = Float64Array.from(await model.parameter(`backbone.layers.${layer}.mixer.A_log`).read(), (log) => -Math.exp(log));
  return { delta: delta!, B: B!, A, channels: delta!.length / ids.length, states: B!.length / ids.length };
}

/** The mean over layers of √(the mean over channels and states of f). */
async function meanOfLayers(
  model: Model,
  f: (layer: Awaited<ReturnType<typeof dynamics>>, at: number, d: number, n: number) => number,
): Promise<number[]> {
  const layers = await Promise.all([0, 1, 2].map((layer) => dynamics(model, layer)));
  return ids.map((_, at) => {
    const each = layers.map((layer) => {
      let sum = 0;
      for (let d = 0; d < layer.channels; d++) for (let n = 0; n < layer.states; n++) sum += f(layer, at, d, n);
      return Math.sqrt(sum / (layer.channels * layer.states));
    });
    return each.reduce((sum, value) => sum + value / 3, 0);
  });
}

const expectClose = (actual: readonly number[], expected: readonly number[]): void => {
  for (const [at, value] of expected.entries()) expect(Math.abs(actual[at]! / value - 1)).toBeLessThan(1e-4);
};

describe('x-vmamba', () => {
  const model = smallModel({ time_step_min: 0.05, time_step_max: 1 });
  const write = ({ delta, B, channels, states }: Awaited<ReturnType<typeof dynamics>>, at: number, d: number, n: number): number =>
    (delta[at * channels + d]! * B[at * states + n]!) ** 2;

  test('gramian: b²/(1 − a²), the sum of what is left of a write ever after', async () => {
    const closed = await meanOfLayers(model, (layer, at, d, n) => {
      const a2 = Math.exp(2 * layer.delta[at * layer.channels + d]! * layer.A[d * layer.states + n]!);
      let sum = 0;
      for (let power = 1, k = 0; k < 20000 && power > 1e-12; k++, power *= a2) sum += power * write(layer, at, d, n);
      return sum;
    });
    expectClose(await pick(model, 'x-vmamba'), closed);
  });

  test.each([
    ['the last position', model, (at: number): number => (at === 13 ? 1 : 0)],
    ['a mean over positions', classifier('mean'), (): number => 1 / 14],
  ] as const)('jacobian: what is left of a write at %s', async (_, of, weight) => {
    const left = await meanOfLayers(of, (layer, at, d, n) => {
      let sum = 0;
      let span = 0;
      for (let t = at; t < ids.length; t++) {
        if (t > at) span += layer.delta[t * layer.channels + d]!;
        sum += weight(t) * Math.exp(2 * layer.A[d * layer.states + n]! * span) * write(layer, at, d, n);
      }
      return sum;
    });
    expectClose(await pick(of, 'x-vmamba', { measure: 'jacobian' }), left);
  });
});

test('decimamba: ‖Δ‖ over channels', async () => {
  const model = smallModel();
  const layers = await Promise.all([1, 2].map((layer) => dynamics(model, layer)));
  const expected = ids.map((_, at) =>
    layers.reduce((sum, { delta, channels }) => sum + Math.hypot(...delta.subarray(at * channels, (at + 1) * channels)) / 2, 0),
  );
  expectClose(await pick(model, 'decimamba', { startLayer: 1 }), expected);
});

test('both directions of Vision Mamba count; models without a scan are refused with the reason', async () => {
  const vim = createModel({ model_type: 'vim', img_size: 12, patch_size: 4, embed_dim: 12, depth: 2, num_classes: 3 }, { seed: 6 });
  const image: ImageInput = { pixels: Float32Array.from({ length: 432 }, (_, at) => Math.sin(at * at)), shape: [3, 12, 12] };
  const [result] = await explain({ model: vim, input: { images: [image] }, methods: ['x-vmamba', 'decimamba'], check: false });
  for (const { scores } of result!.maps) {
    expect(scores).toHaveLength(9);
    expect(Math.min(...scores)).toBeGreaterThan(0);
  }
  const gpt2 = createModel({ model_type: 'gpt2', vocab_size: 300, n_embd: 12, n_layer: 2, n_head: 2, n_positions: 40 });
  await expect(explain({ model: gpt2, input: [ids], methods: ['x-vmamba'] })).rejects.toThrow('softmax attention only');
});
