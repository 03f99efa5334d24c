import { createModel, type Model } from '@hidden-attention/model';
import { openDevice, scope } from '@hidden-attention/tensor';
import { expect, test } from 'vitest';
import { attentionView, LiveAttention, type LiveAttentionOptions, type Reduce } from '../src/index.js';

const sizes = { vocab_size: 40, hidden_size: 12, num_hidden_layers: 2, state_size: 4, initializer_range: 0.5 };
const models: [string, Model][] = [
  ['mamba', createModel({ ...sizes, model_type: 'mamba' }, { seed: 1 })],
  ['mamba2', createModel({ ...sizes, model_type: 'mamba2', num_heads: 4, head_dim: 6, n_groups: 2 }, { seed: 2 })],
];
const text = Array.from({ length: 210 }, (_, at) => (at * at * 7 + 3 * at) % 40);

/** Reads a text into a live attention: some of it at once, the rest id by id. */
function follow(model: Model, live: LiveAttention, first: number): void {
  let state = model.initialState();
  for (let at = 0; at < text.length;) {
    const ids = text.slice(at, at === 0 ? first : at + 1);
    const next = scope(() => {
      const result = model.forward(model.batch([ids]), { state, capture: live.sites, logits: 'none' });
      live.see(result.captured);
      return result.state;
    });
    for (const { scan, conv } of state.layers) [scan, conv].forEach((tensor) => tensor.dispose());
    state = next;
    at += ids.length;
  }
  for (const { scan, conv } of state.layers) [scan, conv].forEach((tensor) => tensor.dispose());
}

test.each(models.flatMap(([name, model]) => (['mean', 'meanAbs'] as Reduce[]).map((reduce) => [name, reduce, model] as const)))(
  '%s, %s: without a cut-off, the largest entries of the whole row',
  async (_, reduce, model) => {
    using view = await attentionView(model, [text]);
    for (const first of [1, 64, 100, 210]) {
      using live = new LiveAttention(model, { k: 4, reduce, cutoff: 0 });
      follow(model, live, first);
      for (const { layer, position, top, share, reach, alive } of await live.rows()) {
        expect([position, reach, alive]).toEqual([text.length - 1, 0, 0]);
        const row = await view.layer(layer).row('last', { reduce }).read();
        const expected = [...row.keys()].sort((a, b) => Math.abs(row[b]!) - Math.abs(row[a]!)).slice(0, 4);
        const largest = Math.abs(row[expected[0]!]!);
        top.forEach(({ position: at, value }, i) => {
          expect(Math.abs(value - row[at]!)).toBeLessThan(1e-5 * largest);
          expect(Math.abs(Math.abs(value) - Math.abs(row[expected[i]!]!))).toBeLessThan(1e-5 * largest);
        });
        const total = row.reduce((sum, value) => sum + Math.abs(value), 0);
        expect(share).toBeCloseTo(top.reduce((sum, { value }) => sum + Math.abs(value), 0) / total, 4);
      }
    }
  },
);

test.each(models)('%s: over layers, the largest entries of the mean of their rows', async (_, model) => {
  using view = await attentionView(model, [text]);
  using live = new LiveAttention(model, { k: 5, cutoff: 0 });
  follow(model, live, 100);
  const { top, share, position, reach, alive } = await live.overall();
  expect([position, reach, alive]).toEqual([text.length - 1, 0, 0]);
  const rows = await Promise.all([0, 1].map((layer) => view.layer(layer).row('last').read()));
  const mean = Float64Array.from(rows[0]!, (value, at) => (value + rows[1]![at]!) / 2);
  const order = [...mean.keys()].sort((a, b) => Math.abs(mean[b]!) - Math.abs(mean[a]!));
  expect(top).toHaveLength(5);
  const largest = Math.abs(mean[order[0]!]!);
  top.forEach(({ position: at, value }, i) => {
    expect(Math.abs(value - mean[at]!)).toBeLessThan(1e-5 * largest);
    expect(Math.abs(Math.abs(value) - Math.abs(mean[order[i]!]!))).toBeLessThan(1e-5 * largest);
  });
  const total = mean.reduce((sum, value) => sum + Math.abs(value), 0);
  expect(share).toBeCloseTo(top.reduce((sum, { value }) => sum + Math.abs(value), 0) / total, 4);
  using near = new LiveAttention(model, { cutoff: 0.5 });
  follow(model, near, 50);
  const [overall, each] = [await near.overall(), await near.rows()];
  expect(overall.reach).toBe(Math.min(...each.map((row) => row.reach)));
  expect(overall.alive).toBe(Math.max(...each.map((row) => row.alive)));
});

test('with a cut-off it goes back only as far as something is alive, and says how far', async () => {
  const model = models[0]![1];
  const rowsWith = async (options: LiveAttentionOptions): Promise<Awaited<ReturnType<LiveAttention['rows']>>> => {
    using live = new LiveAttention(model, options);
    follow(model, live, 50);
    return await live.rows();
  };
  const [all, near] = [await rowsWith({ cutoff: 0 }), await rowsWith({ cutoff: 0.5 })];
  near.forEach(({ reach, alive, top }, i) => {
    expect(reach).toBeGreaterThan(0);
    expect(alive).toBeGreaterThan(0);
    expect(alive).toBeLessThanOrEqual(0.5);
    for (const { position, value } of top) {
      expect(position).toBeGreaterThanOrEqual(reach);
      const same = all[i]!.top.find((entry) => entry.position === position);
      if (same) expect(value).toBeCloseTo(same.value, 6);
    }
  });
});

test('what it keeps is freed; what cannot be is refused', async () => {
  const model = models[0]![1];
  const device = openDevice();
  const before = device.memory().live;
  {
    using live = new LiveAttention(model, { layers: [-1] });
    follow(model, live, 70);
    expect(live.length).toBe(text.length);
    expect((await live.rows()).map(({ layer }) => layer)).toEqual([1]);
    expect(device.memory().live).toBeGreaterThan(before);
  }
  expect(device.memory().live).toBe(before);
  expect(() => new LiveAttention(model, { layers: [2] })).toThrow('layer 2 does not exist; the model has layers 0 to 1');
  expect(() => new LiveAttention(model, { k: 0 })).toThrow('k is 0');
  expect(() => new LiveAttention(model, { cutoff: 1 })).toThrow('cutoff is 1');
  await expect(new LiveAttention(model).rows()).rejects.toThrow('no position has been seen');
});
