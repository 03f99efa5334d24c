import { createModel } from '@hidden-attention/model';
import { describe, expect, test } from 'vitest';
import { logitLens, stateLens, type ImageInput, type StateReading } from '../src/index.js';
import { classifier, randomIds, smallModel } from './models.js';

const model = smallModel();
const ids = randomIds(3, 12);
const vim = createModel({ model_type: 'vim', img_size: 12, patch_size: 4, embed_dim: 12, depth: 2, num_classes: 3 }, { seed: 6 });
const jamba = createModel(
  {
    model_type: 'jamba',
    vocab_size: 40,
    hidden_size: 16,
    intermediate_size: 20,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    attn_layer_period: 2,
    attn_layer_offset: 1,
    initializer_range: 0.3,
  },
  { seed: 4 },
);

describe('the logit lens', () => {
  test('after the last layer is the model itself, at every position', async () => {
    const { layers, target } = await logitLens({ model, input: ids, k: 3 });
    expect(layers).toHaveLength(4);
    const logits = (await model.forward(model.batch([ids])).logits!.read()) as Float32Array;
    for (const { position, top, target: of } of layers[3]!) {
      const own = logits.subarray(position! * 300, position! * 300 + 300);
      const order = [...own.keys()].toSorted((a, b) => own[b]! - own[a]!);
      const total = own.reduce((sum, value) => sum + Math.exp(value), 0);
      expect(top.map(({ id }) => id)).toEqual(order.slice(0, 3));
      for (const { id, probability } of top) expect(probability).toBeCloseTo(Math.exp(own[id]!) / total, 5);
      expect(of).toMatchObject({ id: target, rank: order.indexOf(target) + 1 });
      expect(of.logit).toBeCloseTo(own[target]!, 4);
    }
    expect(layers[3]!.at(-1)!.target.rank).toBe(1); // the default target is the answer
  });

  test('before the last layer is the head on what has been written so far', async () => {
    const { layers } = await logitLens({ model, input: ids, target: 7, positions: [-1, 2] });
    const { captured } = model.forward(model.batch([ids]), { capture: ['layers.0.output'] });
    const stream = captured['layers.0.output']!;
    const skipped = Object.fromEntries([1, 2].map((layer) => [`layers.${layer}.output`, stream]));
    const logits = (await model.forward(model.batch([ids]), { patch: skipped }).logits!.read()) as Float32Array;
    expect(layers[1]!.map(({ position }) => position)).toEqual([11, 2]);
    expect(layers[1]![0]!.target.logit).toBeCloseTo(logits[11 * 300 + 7]!, 4);
    expect(layers[1]![1]!.target.logit).toBeCloseTo(logits[2 * 300 + 7]!, 4);
  });

  test('of a classifier reads what it pools: text and images', async () => {
    const image: ImageInput = { pixels: Float32Array.from({ length: 432 }, (_, at) => Math.sin(at * at)), shape: [3, 12, 12] };
    for (const [of, input] of [
      [classifier('mean'), ids],
      [vim, image],
    ] as const) {
      const { layers, target } = await logitLens({ model: of, input });
      const run = 'pixels' in input ? of.images(input.pixels, [1, ...input.shape]) : of.batch([input]);
      const logits = (await of.forward(run).logits!.read()) as Float32Array;
      expect(layers.at(-1)![0]!.position).toBeNull();
      expect(layers.at(-1)![0]!.target.logit).toBeCloseTo(logits[target]!, 5);
      expect(layers.at(-1)![0]!.top.reduce((sum, { probability }) => sum + probability, 0)).toBeCloseTo(1, 6);
    }
    await expect(logitLens({ model: vim, input: image, positions: [0] })).rejects.toThrow('a classifier answers about the whole input');
  });

  test('refuses a target, a position or a count that does not exist', async () => {
    await expect(logitLens({ model, input: ids, target: 300 })).rejects.toThrow('target 300 does not exist');
    await expect(logitLens({ model, input: ids, positions: [12] })).rejects.toThrow('position 12 does not exist');
    await expect(logitLens({ model, input: ids, k: 0 })).rejects.toThrow('k is 0');
  });
});

describe('the state lens', () => {
  /** Of what each token wrote, in float64: what is left at each later position. */
  async function left(of: typeof model, layer: number): Promise<(token: number, at: number) => number> {
    const names = ['u', 'delta', 'B'].map((name) => `layers.${layer}.${name}`);
    const { captured } = of.forward(of.batch([ids]), { capture: names });
    const [u, delta, B] = await Promise.all(names.map(async (name) => Float64Array.from(await captured[name]!.read())));
    const log = await of.parameter(`backbone.layers.${layer}.mixer.A_log`).read();
    const channels = u!.length / ids.length;
    const heads = delta!.length / ids.length;
    const [groups, states] =
      captured[names[2]!]!.shape.length === 4
        ? (captured[names[2]!]!.shape.slice(2) as [number, number])
        : [1, captured[names[2]!]!.shape[2]!];
    return (token, at) => {
      let sum = 0;
      for (let d = 0; d < channels; d++) {
        const h = Math.floor((d * heads) / channels);
        let span = 0;
        for (let k = token + 1; k <= at; k++) span += delta![k * heads + h]!;
        for (let n = 0; n < states; n++) {
          const A = -Math.exp(heads === channels ? log[d * states + n]! : log[h]!);
          const b = B![(token * groups + Math.floor((d * groups) / channels)) * states + n]!;
          sum += Math.abs(Math.exp(A * span) * delta![token * heads + h]! * b * u![token * channels + d]!);
        }
      }
      return sum;
    };
  }

  test.each([
    ['Mamba', smallModel({ time_step_min: 0.1, time_step_max: 2 })],
    ['Mamba-2', smallModel({ model_type: 'mamba2', num_heads: 4, head_dim: 6, n_groups: 2, time_step_min: 0.1, time_step_max: 2 })],
  ] as const)('of %s says what is left of each token, and when it was half and all but gone', async (_, of) => {
    const readings = await stateLens({ model: of, ids, forgotten: 0.2 });
    expect(readings.map(({ layer }) => layer)).toEqual([0, 1, 2]);
    const { remaining, share, halfLife, forgottenAt } = readings[1]!;
    const reference = await left(of, 1);
    const total = ids.reduce((sum, __, token) => sum + reference(token, 11), 0);
    for (const token of ids.keys()) {
      expect(remaining[token]).toBeCloseTo(reference(token, 11) / reference(token, token), 4);
      expect(share[token]).toBeCloseTo(reference(token, 11) / total, 4);
      const first = (below: number): number | null =>
        Array.from(ids.keys()).find((at) => at >= token && reference(token, at) / reference(token, token) < below) ?? null;
      const half = first(0.5);
      expect(halfLife![token]).toBe(half === null ? null : half - token);
      expect(forgottenAt![token]).toBe(first(0.2));
    }
    expect(halfLife).toContainEqual(expect.any(Number));
    expect(remaining.at(-1)).toBeCloseTo(1, 5);
  });

  test('at an earlier position, of some layers, without history', async () => {
    const [reading] = await stateLens({ model, ids, position: 5, layers: [-1], history: false });
    expect(reading).toMatchObject({ layer: 2 } satisfies Partial<StateReading>);
    expect(reading!.remaining).toHaveLength(6);
    expect(reading!.halfLife).toBeUndefined();
    const [long] = await stateLens({ model, ids: ids.slice(0, 6), layers: [2], history: false });
    expect(long!.share).toEqual(reading!.share);
  });

  test('looks only where a state is carried', async () => {
    expect((await stateLens({ model: jamba, ids: [1, 2, 3] })).map(({ layer }) => layer)).toEqual([0]);
    await expect(stateLens({ model: jamba, ids: [1, 2], layers: [1] })).rejects.toThrow(
      'layer 1 is softmax attention, which keeps every position; layers with a state: 0',
    );
    await expect(stateLens({ model: vim, ids: [1] })).rejects.toThrow('no layer of this model carries a state');
    await expect(stateLens({ model, ids, position: 12 })).rejects.toThrow('position 12 does not exist');
    await expect(stateLens({ model, ids, forgotten: 1 })).rejects.toThrow('forgotten is 1');
  });
});
