import { attentionView, effectiveReceptiveField, knockoutPatches } from '@hidden-attention/attention';
import { createModel, type Model, type ScanDynamics } from '@hidden-attention/model';
import { add, embedding, multiply, selectiveScan, Tensor } from '@hidden-attention/tensor';
import { describe, expect, test } from 'vitest';
import {
  activationPatching,
  causalTracing,
  knockout,
  knockoutOfGroups,
  knockoutWindows,
  pruneTokens,
  type ImageInput,
} from '../src/index.js';
import { classifier, randomIds, smallModel } from './models.js';

const model = smallModel();
const ids = randomIds(3, 12);
const jamba = createModel(
  {
    model_type: 'jamba',
    vocab_size: 40,
    hidden_size: 16,
    intermediate_size: 20,
    num_hidden_layers: 4,
    num_attention_heads: 2,
    attn_layer_period: 2,
    attn_layer_offset: 1,
    initializer_range: 0.3,
  },
  { seed: 4 },
);
const vim = createModel({ model_type: 'vim', img_size: 12, patch_size: 4, embed_dim: 12, depth: 2, num_classes: 3 }, { seed: 6 });
const image: ImageInput = { pixels: Float32Array.from({ length: 432 }, (_, at) => Math.sin(at * at)), shape: [3, 12, 12] };

async function logitsOf(of: Model, input: readonly number[], options: object = {}): Promise<Float32Array> {
  return of.forward(of.batch([input]), { logits: 'last', ...options }).logits!.read() as Promise<Float32Array>;
}

describe('knockout', () => {
  test.each([
    ['Mamba', model, ids],
    ['a classifier', classifier('mean'), ids],
    ['Jamba', jamba, randomIds(5, 12, 40)],
  ] as const)('of %s gives the logit of the patched model, and windows start at their first layer', async (_, of, text) => {
    const edges = [{ from: [2, 3], to: [-1, 7] }];
    const clean = await logitsOf(of, text);
    const target = 1;
    const cut = async (layers?: number[]): Promise<number> =>
      (await logitsOf(of, text, { patch: await knockoutPatches(of, of.batch([text]), { edges, ...(layers ? { layers } : {}) }) }))[target]!;
    const all = await knockout({ model: of, input: text, target, edges });
    expect(all.logit).toEqual({ before: clean[target], after: await cut() });
    const { windows } = await knockoutWindows({ model: of, input: text, target, edges, width: 2 });
    expect(windows.map(({ layers }) => layers)).toEqual(Array.from({ length: of.config.layers - 1 }, (__, k) => [k, k + 1]));
    for (const { layers, logit, probability, relative } of windows) {
      expect(logit.after).toBe(await cut(layers));
      expect(relative).toBeCloseTo(probability.after / probability.before - 1, 10);
    }
  });

  test('what is later than its reader, or nothing at all, changes nothing', async () => {
    const { logit } = await knockout({ model, input: ids, edges: [{ from: [8], to: [3, 4] }] });
    expect(Math.abs(logit.after - logit.before)).toBeLessThan(1e-5);
  });

  test('of groups, one row of a batch each, is the knockout of each by itself', async () => {
    const groups = [[0], [3, 4], [9]];
    const together = await knockoutOfGroups({ model, input: ids, target: 2, groups });
    for (const [g, group] of groups.entries()) {
      const to = Array.from(ids.keys()).filter((at) => !group.includes(at));
      const alone = await knockout({ model, input: ids, target: 2, edges: [{ from: group, to }] });
      expect(together[g]!.logit.after).toBeCloseTo(alone.logit.after, 5);
    }
    expect(await knockoutOfGroups({ model: vim, input: image, groups: [[0], [5]] })).toHaveLength(2);
  });

  test('refuses a window that does not fit, before work starts', async () => {
    await expect(knockoutWindows({ model, input: ids, edges: [{ from: [0] }], width: 4 })).rejects.toThrow(
      'width is 4; a whole number from 1 to 3',
    );
  });
});

describe('activation patching', () => {
  const corrupt = ids.map((id, at) => (at === 10 ? (id + 7) % 300 : id));

  test('the whole stream of the clean run gives the clean answer; what is the same changes nothing', async () => {
    const everything = await activationPatching({
      model,
      clean: ids,
      corrupt,
      target: 5,
      groups: [ids.map((_, at) => at)],
      sites: ['input', 'output'],
    });
    for (const { layers } of everything.sites) for (const { scores } of layers) expect(scores[0]).toBeCloseTo(1, 3);
    const each = await activationPatching({ model, clean: ids, corrupt, target: 5, sites: ['input'], layers: [0] });
    expect(each.sites[0]!.layers[0]!.scores.map((score) => Math.round(score * 100) / 100 + 0)).toEqual(
      ids.map((_, at) => (at === 10 ? 1 : 0)),
    );
  });

  test('is the run with that value in its place, in any site, in windows and for a difference of logits', async () => {
    const clean = model.forward(model.batch([ids]), { capture: ['layers.*.delta'], logits: 'last' });
    const [good, bad] = [await logitsOf(model, ids), await logitsOf(model, corrupt)];
    const figure = (logits: ArrayLike<number>): number => logits[5]! - logits[6]!;
    const { sites } = await activationPatching({
      model,
      clean: ids,
      corrupt,
      target: 5,
      against: 6,
      sites: ['delta'],
      layers: [1],
      window: 2,
      groups: [[9, 10]],
    });
    const mask = Tensor.from(
      Float32Array.from(ids, (_, at) => (at === 9 || at === 10 ? 1 : 0)),
      [1, 12, 1],
    );
    const [m, other] = [
      await mask.read(),
      { 1: await clean.captured['layers.1.delta']!.read(), 2: await clean.captured['layers.2.delta']!.read() },
    ];
    const put =
      (layer: 1 | 2) =>
      (value: Tensor): Tensor => {
        const width = value.shape[2]!;
        const into = Tensor.from(
          Float32Array.from(other[layer] as Float32Array, (number, i) => (m[Math.floor(i / width)] ? number : 0)),
          value.shape,
        );
        const kept = multiply(
          value,
          Tensor.from(
            Float32Array.from(m as Float32Array, (one) => 1 - one),
            [1, 12, 1],
          ),
        );
        return add(kept, into);
      };
    const patched = await logitsOf(model, corrupt, { patch: { 'layers.1.delta': put(1), 'layers.2.delta': put(2) } });
    expect(sites[0]!.layers[0]!.scores[0]).toBeCloseTo((figure(patched) - figure(bad)) / (figure(good) - figure(bad)), 3);
  });

  test('refuses inputs that cannot stand for one another, and places that do not exist', async () => {
    await expect(activationPatching({ model, clean: ids, corrupt: ids.slice(1) })).rejects.toThrow(
      'the clean input has 12 positions and the corrupt one 11',
    );
    await expect(activationPatching({ model, clean: ids, corrupt: ids })).rejects.toThrow('both inputs give target');
    await expect(activationPatching({ model, clean: ids, corrupt, sites: ['scam'] })).rejects.toThrow(
      'layer 0 (scan) has no site "scam"; it has input, norm',
    );
    await expect(activationPatching({ model, clean: ids, corrupt, sites: ['state'] })).rejects.toThrow('no value for each position');
    await expect(activationPatching({ model, clean: ids, corrupt, layers: [3] })).rejects.toThrow('layer 3 does not exist');
    await expect(activationPatching({ model, clean: ids, corrupt, groups: [[12]] })).rejects.toThrow('position 12 does not exist');
  });
});

describe('causal tracing', () => {
  const subject = [2, 3];
  test('everything restored at the first layer brings the clean answer back; the same seed gives the same numbers', async () => {
    const request = {
      model,
      input: ids,
      subject,
      samples: 3,
      sites: ['input'],
      layers: [0, 2],
      groups: [ids.map((_, at) => at), subject, [0]],
    };
    const first = await causalTracing(request);
    expect(first.sites[0]!.layers[0]!.scores[0]).toBeCloseTo(first.clean - first.corrupt, 5);
    expect(first.sites[0]!.layers[0]!.scores[1]).toBeCloseTo(first.clean - first.corrupt, 5);
    expect(first.sites[0]!.layers[0]!.scores[2]).toBeCloseTo(0, 6);
    expect(await causalTracing(request)).toEqual(first);
    expect((await causalTracing({ ...request, seed: 1 })).corrupt).not.toBe(first.corrupt);
  });
  test('refuses a subject that is not there', async () => {
    await expect(causalTracing({ model, input: ids, subject: [] })).rejects.toThrow('the subject has no positions');
    await expect(causalTracing({ model, input: ids, subject: [12] })).rejects.toThrow('position 12 of the subject does not exist');
    await expect(causalTracing({ model, input: ids, subject, noise: 0 })).rejects.toThrow('noise is 0');
  });
});

describe('dropping tokens', () => {
  test('none dropped is the whole run; the last position stays', async () => {
    const all = await pruneTokens({ model, ids, layers: [1] });
    expect(all.logit.after).toBeCloseTo(all.logit.before, 5);
    const few = await pruneTokens({ model, ids, layers: [0, 1], keep: 6, minimum: 2 });
    expect(few.kept.map(({ positions }) => positions.length)).toEqual([6, 3]);
    expect(few.kept.every(({ positions }) => positions.includes(11))).toBe(true);
    expect(few.kept[1]!.positions.every((at) => few.kept[0]!.positions.includes(at))).toBe(true);
  });

  test('the scan over those that stay is that of a text of them', async () => {
    const layer = 1;
    const { kept, logit, target } = await pruneTokens({ model, ids, layers: [layer], keep: 5, minimum: 1 });
    const sites = ['u', 'delta', 'B', 'C', 'scan', 'output'].map((name) => `layers.${layer}.${name}`);
    const { captured } = model.forward(model.batch([ids]), { capture: sites });
    const [{ positions }] = kept as [{ positions: number[] }];
    const sizes = (await captured[`layers.${layer}.delta`]!.read()) as Float32Array;
    const size = (at: number): number => Math.hypot(...sizes.subarray(at * 24, at * 24 + 24));
    const others = Array.from(ids.keys()).filter((at) => !positions.includes(at));
    expect(Math.min(...positions.filter((at) => at !== 11).map(size))).toBeGreaterThanOrEqual(Math.max(...others.map(size)));
    const own = (name: string): Tensor => {
      const tensor = captured[`layers.${layer}.${name}`]!;
      const width = tensor.size / 12;
      return embedding(Tensor.from(Int32Array.from(positions), [5]), tensor.view([12, width])).view([1, 5, width]);
    };
    const dynamics = model.family.dynamics(model, captured, layer) as ScanDynamics;
    const grouped = (tensor: Tensor): Tensor => tensor.view([1, 5, 1, 6]);
    const { y } = selectiveScan({
      u: own('u'),
      delta: own('delta'),
      A: dynamics.A,
      B: grouped(own('B')),
      C: grouped(own('C')),
      D: model.parameter(`backbone.layers.${layer}.mixer.D`),
    });
    const [short, whole] = [await y.read(), Float32Array.from((await captured[`layers.${layer}.scan`]!.read()) as Float32Array)];
    positions.forEach((at, i) => whole.set((short as Float32Array).subarray(i * 24, i * 24 + 24), at * 24));
    const after = model.forward(model.batch([ids]), {
      patch: { [`layers.${layer}.scan`]: Tensor.from(whole, [1, 12, 24]) },
      capture: [`layers.${layer}.output`],
    });
    const stream = embedding(Tensor.from(Int32Array.from(positions), [5]), after.captured[`layers.${layer}.output`]!.view([12, 12])).view([
      1, 5, 12,
    ]);
    const expected = await logitsOf(
      model,
      positions.map((at) => ids[at]!),
      { embeddings: stream, fromLayer: layer + 1 },
    );
    expect(logit.after).toBeCloseTo(expected[target]!, 4);
  });

  test('refuses layers without a Δ, and figures out of range', async () => {
    await expect(pruneTokens({ model: jamba, ids: [1, 2], layers: [1] })).rejects.toThrow('layer 1 is softmax');
    await expect(pruneTokens({ model, ids, layers: [] })).rejects.toThrow('no layers were given');
    await expect(pruneTokens({ model, ids, layers: [2, 1] })).rejects.toThrow('from the first to the last');
    await expect(pruneTokens({ model, ids, layers: [1], keep: 0 })).rejects.toThrow('keep is 0');
  });
});

test('the effective receptive field is the mean distance of |α|, channel by channel', async () => {
  using view = await attentionView(model, [ids, ids.slice(0, 7)]);
  const { layers, mean } = await effectiveReceptiveField(view);
  for (const [row, length] of [12, 7].entries()) {
    const all = await view.layer(1).matrix({ channels: 'all' }).read();
    let sum = 0;
    for (let channel = 0; channel < 24; channel++) {
      const entries = Array.from({ length }, (_, j) => Math.abs(all[((row * 24 + channel) * 12 + length - 1) * 12 + j]!));
      sum += entries.reduce((total, value, j) => total + value * (length - 1 - j), 0) / entries.reduce((total, value) => total + value, 0);
    }
    expect(layers[1]![row]).toBeCloseTo(sum / 24, 4);
    expect(mean[row]).toBeCloseTo((layers[0]![row]! + layers[1]![row]! + layers[2]![row]!) / 3, 10);
  }
});
