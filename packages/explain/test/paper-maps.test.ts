import { affine, sumLast } from '@hidden-attention/tensor';
import { expect, test } from 'vitest';
import { explain, Question } from '../src/index.js';
import { goldenInput, goldenModel, shapeOf } from './golden.js';
import { classifier, randomIds, smallModel } from './models.js';
import { aggregates, alpha, clamps, distance, edge, normalized, product, rowOf, withIdentity, zeros, type Matrix } from './reference.js';

const [, length] = shapeOf('input_ids') as [number, number];
const cases = [
  ['the golden model', await goldenModel(), goldenInput('input_ids').slice(0, length)],
  ['a small language model', smallModel(), randomIds(3, 19)],
  ['a classifier that pools by mean', classifier('mean'), randomIds(4, 15)],
  ['a classifier of the last token', classifier('last'), randomIds(5, 12)],
] as const;
const combinations = Object.keys(aggregates).flatMap((aggregate) =>
  Object.keys(clamps).flatMap((clamp) =>
    ['none', 'rows'].map(
      (normalize) =>
        ({ aggregate, clamp, normalize }) as { aggregate: keyof typeof aggregates; clamp: keyof typeof clamps; normalize: 'none' | 'rows' },
    ),
  ),
);
/** Rounding of f32 attention, amplified by what row-normalised signed maps divide by. */
const close = (normalize: string): number => (normalize === 'rows' ? 2e-3 : 1e-5);

test.each(cases)('the paper maps are dense float64 products, with all options: %s', async (_, model, ids) => {
  const question = new Question(model, ids);
  const layers = Array.from({ length: model.config.layers }, (__, layer) => layer);
  const view = await question.attention();
  const exact = await Promise.all(layers.map((layer) => alpha(view.layer(layer).dynamics)));
  const literal = await Promise.all(layers.map((layer) => alpha(view.layer(layer).dynamics, 'literal')));
  const { stream } = await question.gradient();
  const means = await Promise.all(stream.map((gradient) => affine(sumLast(gradient), 1 / gradient.shape[2]!).read()));
  const scores = async (method: string, options: Record<string, unknown>): Promise<number[]> =>
    (await explain({ model, input: [ids], methods: [method], options: { [method]: options }, check: false }))[0]!.maps[0]!.scores;
  const rollOut = (edges: Matrix[], normalize: 'none' | 'rows'): Float64Array =>
    rowOf(
      question.start,
      edges
        .map((each) => normalized(withIdentity(each), normalize))
        .reduceRight((later, each) => product(later, each), withIdentity(zeros(ids.length, ids.length))),
    );

  for (const { aggregate, clamp, normalize } of combinations) {
    const startLayer = 1;
    const matrices = exact.slice(startLayer);
    const what = JSON.stringify({ aggregate, clamp, normalize });
    const plain = matrices.map((each) => edge(each, aggregate, clamp));
    const raws = plain.map((each) => rowOf(question.start, normalized(each, normalize)));
    const raw = raws[0]!.map((__, at) => raws.reduce((sum, each) => sum + each[at]!, 0) / raws.length);
    expect(distance(await scores('raw', { startLayer, aggregate, clamp, normalize }), raw), `raw ${what}`).toBeLessThan(close(normalize));
    expect(
      distance(await scores('rollout', { startLayer, aggregate, clamp, normalize }), rollOut(plain, normalize)),
      `rollout ${what}`,
    ).toBeLessThan(close(normalize));
    for (const gradientAt of ['output', 'input'] as const) {
      const edges = matrices.map((each, at) => edge(each, aggregate, clamp, means[startLayer + at + (gradientAt === 'output' ? 1 : 0)]!));
      const attributed = await scores('mamba-attribution', { startLayer, aggregate, clamp, normalize, gradientAt });
      expect(distance(attributed, rollOut(edges, normalize)), `mamba-attribution ${gradientAt} ${what}`).toBeLessThan(close(normalize));
    }
  }
  const literalEdges = literal.map((each) => edge(each, 'mean', 'none'));
  expect(distance(await scores('rollout', { row: 'literal' }), rollOut(literalEdges, 'none'))).toBeLessThan(1e-5);
  const clamped = literal.map((each, at) => edge(each, 'mean', 'positive', means[at + 1]!));
  expect(distance(await scores('mamba-attribution', { row: 'literal' }), rollOut(clamped, 'none'))).toBeLessThan(1e-5);
  await question.dispose();
});

test('defaults: the mean, no clamp for raw and rollout, positive for the attribution, no normalisation, all layers', async () => {
  const [result] = await explain({
    model: smallModel(),
    input: [randomIds(1, 8)],
    methods: ['raw', 'rollout', 'mamba-attribution', 'raw:released', 'mamba-attribution:released'],
    check: false,
  });
  const plain = { startLayer: 0, row: 'exact', normalize: 'none', aggregate: 'mean', clamp: 'none' };
  expect(result!.maps.map(({ options }) => options)).toEqual([
    plain,
    plain,
    { ...plain, clamp: 'positive', gradientAt: 'output' },
    { startLayer: 0, row: 'literal' },
    { startLayer: 0, row: 'literal', gradientAt: 'output' },
  ]);
  expect(result!.maps.map(({ signed }) => signed)).toEqual([true, true, false, false, false]);
});
