// Whole-block attention, unified, edges and LaTIM against dense float64 products, straight from their formulas.
import { attentionView, type AttentionLayer, type AttentionView, type PartOptions } from '@hidden-attention/attention';
import { Model, type BlockParts } from '@hidden-attention/model';
import { affine, sumLast, Tensor } from '@hidden-attention/tensor';
import { describe, expect, test } from 'vitest';
import { explain, getExplainer, optionsFor, Question, type Relevance } from '../src/index.js';
import { families } from './family-models.js';
import { classifier, randomIds, smallModel } from './models.js';
import { aggregates, clamps, distance, edge, normalized, product, rowOf, withIdentity, zeros, type Matrix } from './reference.js';

const numbers = async (tensor: Tensor): Promise<Float64Array> => Float64Array.from(await tensor.read());
/** Every channel's matrix of a layer, of one text. */
async function matrices(layer: AttentionLayer): Promise<Matrix[]> {
  const [, length, channels] = layer.shape;
  const all = await numbers(layer.matrix({ channels: 'all' }));
  return Array.from({ length: channels }, (_, c) =>
    Array.from({ length }, (__, i) => all.slice((c * length + i) * length, (c * length + i + 1) * length)),
  );
}
const layersOf = (view: AttentionView, part: 'block' | 'unified', options: PartOptions): Promise<Matrix[][]> =>
  Promise.all(Array.from({ length: view.layers }, (_, index) => matrices(view.layer(index).of(part, options))));
const rollOut = (start: ArrayLike<number>, edges: Matrix[], normalize: 'none' | 'rows' = 'none'): Float64Array =>
  rowOf(
    start,
    edges
      .map((each) => normalized(withIdentity(each), normalize))
      .reduceRight((later, each) => product(later, each), withIdentity(zeros(edges[0]!.length, edges[0]!.length))),
  );
/** A method's map without audit and checks: what they cost is tested elsewhere. */
const mapOf = async (question: Question, method: string, options: Record<string, unknown>): Promise<Relevance> => {
  const explainer = getExplainer(method);
  return explainer.explain(question, optionsFor([explainer], { [method]: options })[0]!);
};

const cases = [
  ['a language model', smallModel(), randomIds(3, 13)],
  ['a classifier that pools by mean', classifier('mean'), randomIds(4, 11)],
  ['Mamba-2', smallModel({ model_type: 'mamba2', num_heads: 4, head_dim: 6, n_groups: 2 }), randomIds(5, 10)],
] as const;

test.each(cases)('whole-block and unified are dense products in all three forms: %s', async (_, model, ids) => {
  const question = new Question(model, ids);
  const view = await question.attention();
  const { stream } = await question.gradient();
  const means = await Promise.all(stream.map((gradient) => affine(sumLast(gradient), 1 / gradient.shape[2]!).read()));
  for (const [method, part] of [
    ['whole-block', 'block'],
    ['unified', 'unified'],
  ] as const)
    for (const without of [[], ['conv'], ['gate', 'activation']] as const) {
      const all = await layersOf(view, part, { without });
      for (const aggregate of without.length === 0 ? (['mean', 'meanAbs'] as const) : (['mean'] as const)) {
        const plain = all.map((each) => edge(each, aggregate, 'none'));
        const what = `${method} without ${without.join()} ${aggregate}`;
        const scores = async (options: object): Promise<ArrayLike<number>> =>
          (await mapOf(question, method, { without, aggregate, ...options })).scores;
        const raws = plain.map((each) => rowOf(question.start, each));
        expect(
          distance(
            await scores({ form: 'raw' }),
            raws[0]!.map((__, at) => raws.reduce((sum, each) => sum + each[at]!, 0) / raws.length),
          ),
          what,
        ).toBeLessThan(2e-5);
        expect(distance(await scores({ form: 'rollout' }), rollOut(question.start, plain)), what).toBeLessThan(2e-5);
        const attributed = all.map((each, at) => edge(each, aggregate, 'positive', means[at + 1]!));
        expect(distance(await scores({}), rollOut(question.start, attributed)), what).toBeLessThan(2e-5);
      }
    }
  await question.dispose();
});

test('the ablations of the released form change it, and are taken from a command line', async () => {
  const question = new Question(cases[0][1], cases[0][2]);
  const plain = await mapOf(question, 'unified:released', {});
  for (const without of ['conv', 'gate', 'activation', 'conv,gate'])
    expect(distance((await mapOf(question, 'unified:released', { without })).scores, plain.scores)).toBeGreaterThan(1e-4);
  await expect(mapOf(question, 'unified', { without: 'skip' })).rejects.toThrow('without');
  await question.dispose();
});

describe('edge-attribution', () => {
  test.each(cases)('is the chain rule, clamped, in dense products: %s', async (_, model, ids) => {
    const question = new Question(model, ids, 1);
    using view = await attentionView(model, [ids]);
    const count = model.config.layers;
    const sites = await question.atSites(
      Array.from({ length: count }, (__, layer) => [`layers.${layer}.scan`, `layers.${layer}.u`]).flat(),
    );
    const all = await Promise.all(
      Array.from({ length: count }, async (__, layer) => {
        const alpha = await matrices(view.layer(layer));
        const [g, u] = [await numbers(sites[`layers.${layer}.scan`]!.gradient), await numbers(sites[`layers.${layer}.u`]!.value)];
        const channels = g.length / ids.length;
        return Array.from({ length: channels }, (___, d): Matrix =>
          alpha[Math.floor((d * alpha.length) / channels)]!.map((row, i) =>
            row.map((value, j) => g[i * channels + d]! * value * u[j * channels + d]!),
          ),
        );
      }),
    );
    for (const aggregate of Object.keys(aggregates) as (keyof typeof aggregates)[])
      for (const clamp of Object.keys(clamps) as (keyof typeof clamps)[]) {
        const edges = all.map((each) => edge(each, aggregate, clamp));
        const scores = async (options: object): Promise<ArrayLike<number>> =>
          (await mapOf(question, 'edge-attribution', { aggregate, clamp, ...options })).scores;
        expect(distance(await scores({}), rollOut(question.start, edges)), `${aggregate} ${clamp}`).toBeLessThan(3e-5);
        const sums = edges.map((each, layer) =>
          rowOf(
            ids.map(() => all[layer]!.length),
            each,
          ),
        );
        expect(
          distance(
            await scores({ form: 'sum' }),
            sums[0]!.map((__, at) => sums.reduce((sum, each) => sum + each[at]!, 0) / count),
          ),
        ).toBeLessThan(3e-5);
      }
    await question.dispose();
  });

  test('with everything held and no skip, all edges of a layer add up to what its channels receive', async () => {
    for (const [, full, input] of families.filter(([family]) => ['mamba', 'vim', 'gpt2'].includes(family))) {
      const parameters = new Map(
        [...full.parameters].map(([name, value]) => [name, /\.D(_b)?$/.test(name) ? Tensor.full(value.shape, 0) : value]),
      );
      const model = new Model(full.family, full.config, full.json, parameters, full.device);
      const request = { model, input, target: 1, check: false, methods: ['edge-attribution', 'decomposition'] } as const;
      const options = { 'edge-attribution': { form: 'sum', clamp: 'none', rules: 'decomposition' }, decomposition: { groups: 1 } };
      const [result] = await explain({ ...request, options });
      const [edges, shares] = result!.maps;
      shares!.groups!.layers.forEach(([received], layer) =>
        received!.forEach((score, at) => expect(edges!.layers![layer]![at]!).toBeCloseTo(score, 4)),
      );
    }
  });
});

describe('LaTIM', () => {
  test.each(cases)('scores are norms of contributions: %s', async (_, model, ids) => {
    const question = new Question(model, ids);
    const view = await question.attention();
    for (const split of ['exact', 'silu'] as const) {
      const expected: Record<string, Float64Array[]> = { l1: [], l2: [], alti: [] };
      for (let index = 0; index < view.layers; index++) {
        const layer = view.layer(index);
        const { x, conv, convWeight, D, gate, outWeight } = layer.parts() as BlockParts;
        const alpha = await matrices(layer);
        const [xs, cs, taps, Ds, gates, W] = await Promise.all([x, conv, convWeight, D, gate, outWeight!].map(numbers));
        const [channels, width] = convWeight.shape as [number, number];
        const hidden = outWeight!.shape[0]!;
        const vectors = zeros(ids.length, hidden);
        for (let j = 0; j < ids.length; j++)
          for (let d = 0; d < channels; d++) {
            let inner = 0;
            for (let i = j; i < ids.length; i++) {
              if (question.start[i] === 0) continue;
              for (let k = j; k <= Math.min(i, j + width - 1); k++) {
                const c = taps![d * width + width - 1 - (k - j)]! * xs![j * channels + d]!;
                const share = split === 'exact' ? c / (1 + Math.exp(-cs![k * channels + d]!)) : c / (1 + Math.exp(-c));
                const entry = alpha[Math.floor((d * alpha.length) / channels)]![i]![k]! + (k === i ? Ds![d]! : 0);
                inner += question.start[i]! * gates![i * channels + d]! * entry * share;
              }
            }
            for (let m = 0; m < hidden; m++) vectors[j]![m]! += W![m * channels + d]! * inner;
          }
        const mixer = await numbers((await question.atSites([`layers.${index}.mixer`]))[`layers.${index}.mixer`]!.value);
        const y = Float64Array.from({ length: hidden }, (__, m) =>
          ids.reduce((sum, ___, i) => sum + question.start[i]! * mixer[i * hidden + m]!, 0),
        );
        const norm = (v: Float64Array): number => v.reduce((sum, value) => sum + Math.abs(value), 0);
        expected['l1']!.push(Float64Array.from(vectors, norm));
        expected['l2']!.push(Float64Array.from(vectors, (v) => Math.hypot(...v)));
        expected['alti']!.push(Float64Array.from(vectors, (v) => Math.max(0, norm(y) - norm(y.map((value, m) => value - v[m]!)))));
      }
      for (const score of ['l1', 'l2', 'alti']) {
        const { layers } = await mapOf(question, 'latim', { split, score, normalize: 'none' });
        layers!.forEach((layer, index) =>
          expect(distance(layer, expected[score]![index]!), `${split} ${score}`).toBeLessThan(score === 'alti' ? 3e-4 : 3e-5),
        );
        const { scores } = await mapOf(question, 'latim', { split, score });
        const empty = expected[score]!.filter((each) => each.every((value) => value === 0)).length;
        expect(Array.from(scores).reduce((sum, value) => sum + value, 0)).toBeCloseTo((view.layers - empty) / view.layers, 5);
      }
    }
    await question.dispose();
  });
});
