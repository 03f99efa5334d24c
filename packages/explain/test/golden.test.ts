import { attentionView, edges, multiplyLayers, rolloutMatrix } from '@hidden-attention/attention';
import { affine, multiply, positive, scope, subtract, sumLast, Tensor, transpose } from '@hidden-attention/tensor';
import { afterAll, describe, expect, test } from 'vitest';
import { explain, Question } from '../src/index.js';
import { expectGolden, golden, goldenInput, goldenModel, shapeOf, untested } from './golden.js';

const model = await goldenModel();
const [batch, length] = shapeOf('input_ids') as [number, number];
const rows = Array.from({ length: batch }, (_, row) => goldenInput('input_ids').slice(row * length, (row + 1) * length));
const channels = goldenInput('channels');
const view = await attentionView(model, rows);
const questions = rows.map((ids) => new Question(model, ids));
const layers = [0, 1, 2, 3];
afterAll(async () => {
  view.dispose();
  for (const question of questions) await question.dispose();
});

/** Channels of values (b l d), channels before positions, flat. */
async function ofChannels(values: Tensor, chosen: readonly number[]): Promise<number[]> {
  const all = await transpose(values).read();
  const count = values.shape[2]!;
  return Array.from({ length: batch }, (_, b) =>
    chosen.map((c) => Array.from(all.slice((b * count + c) * length, (b * count + c + 1) * length))),
  ).flat(2);
}

test('logits and targets', async () => {
  expectGolden(
    (await Promise.all(questions.map((question) => question.logits()))).flatMap((logits) => [...logits]),
    'last_logits',
  );
  expectGolden(await Promise.all(questions.map((question) => question.target())), 'target');
});

test('gradients of the residual stream before and after each block', async () => {
  const streams = await Promise.all(
    questions.map(async (question) => Promise.all((await question.gradient()).stream.map((tensor) => tensor.read()))),
  );
  expectGolden(
    streams.flatMap((stream) => stream.slice(0, 4).flatMap((entry) => [...entry])),
    'grad.block_input',
  );
  expectGolden(
    streams.flatMap((stream) => stream.slice(1).flatMap((entry) => [...entry])),
    'grad.block_output',
  );
});

describe.each(layers)('layer %i', (index) => {
  const layer = view.layer(index);
  const name = (figure: string): string => `layers.${index}.${figure}`;
  test('means of the hidden attention', async () => {
    expectGolden(await layer.matrix({ reduce: 'mean' }).read(), name('alpha_mean'));
    expectGolden(await layer.matrix({ reduce: 'meanAbs' }).read(), name('alpha_abs_mean'));
    expectGolden(await layer.unified().matrix({ reduce: 'mean' }).read(), name('unified_mean'));
  });
  test.runIf(index === 0 || index === 3)('matrices, rows, and products', async () => {
    const { u, D, x, gated } = layer.parts();
    const four = channels.slice(0, 4);
    expectGolden(await layer.matrix({ channels }).read(), name('alpha'));
    expectGolden(await layer.row('last', { channels: 'all' }).read(), name('last_row'));
    expectGolden(await layer.unified().matrix({ channels: four }).read(), name('unified'));
    expectGolden(await layer.unified().row(-1, { channels: 'all' }).read(), name('unified_last_row'));
    expectGolden(await ofChannels(u, channels), name('u'));
    expectGolden(await ofChannels(x, four), name('x_pre_conv'));
    expectGolden(await ofChannels(gated, four), name('y_gated'));
    const y = layer.apply(u);
    expectGolden(await ofChannels(y, channels), name('y_without_D'));
    expectGolden(await ofChannels(subtract(y, affine(multiply(u, D), -1)), channels), name('y_with_D'));
    expectGolden(await ofChannels(subtract(gated, layer.unified().apply(x)), four), name('unified_residual_terms'));
  });
  test('columns, and the matrix in parts, are those of the golden matrix', async () => {
    const mean = golden(name('alpha_mean'));
    const column = await layer.column(5).read();
    const some = await layer.matrix({ rows: { start: 20, end: 22 } }).read();
    for (let b = 0; b < batch; b++) {
      for (let i = 0; i < length; i++) expect(column[b * length + i]).toBeCloseTo(mean[(b * length + i) * length + 5]!, 4);
      for (let k = 0; k < 2 * length; k++) expect(some[b * 2 * length + k]).toBeCloseTo(mean[(b * length + 20) * length + k]!, 4);
    }
  });
});

describe.each([0, 1])('from layer %i', (startLayer) => {
  test('the whole rollouts, row-normalised', async () => {
    for (const [figure, reduce] of [
      ['signed', 'mean'],
      ['abs', 'meanAbs'],
    ] as const) {
      const { matrix, exponent } = await rolloutMatrix(view, { startLayer, reduce, normalize: 'rows' });
      expectGolden(
        (await matrix.read()).map((value) => value * 2 ** exponent),
        `rollout.${figure}.start${startLayer}`,
      );
    }
  });
  test('rollout with normalize=rows is the last row of these', async () => {
    for (const [figure, aggregate] of [
      ['signed', 'mean'],
      ['abs', 'meanAbs'],
    ] as const) {
      const whole = golden(`rollout.${figure}.start${startLayer}`);
      for (const [b, { maps }] of (await explained('rollout', { normalize: 'rows', aggregate, startLayer })).entries()) {
        const expected = whole.slice((b * length + length - 1) * length, (b + 1) * length * length);
        maps[0]!.scores.forEach((score, at) => expect(score).toBeCloseTo(expected[at]!, figure === 'abs' ? 4 : 2));
      }
    }
  });
  test.each(['exact', 'literal'] as const)('the released maps with %s rows', async (row) => {
    const figure = row === 'exact' ? 'exact' : 'repo_literal';
    const scores = async (method: string, options = {}): Promise<number[]> =>
      (await explained(method, { startLayer, ...(row === 'exact' ? { row } : {}), ...options })).flatMap(({ maps }) => maps[0]!.scores);
    expectGolden(await scores('raw:released'), `text_raw.${figure}.start${startLayer}`);
    expectGolden(await scores('rollout:released'), `text_rollout_vector.${figure}.start${startLayer}`);
    expectGolden(await scores('mamba-attribution:released'), `text_mamba_attr.${figure}.start${startLayer}`);
    if (startLayer === 0)
      expectGolden(
        await scores('mamba-attribution:released', { gradientAt: 'input' }),
        `text_mamba_attr.${figure}.block_input_grad.start0`,
      );
  });
});

test('the literal rows themselves', async () => {
  const means = await Promise.all(layers.map((index) => view.layer(index).of('literal').row('last').read()));
  expectGolden(
    rows.flatMap((_, b) => means.flatMap((mean) => Array.from(mean.slice(b * length, (b + 1) * length)))),
    'repo_literal.vectors',
  );
});

test('the full-matrix generalisation of the released attribution', async () => {
  const results: number[] = [];
  for (const question of questions) {
    const { stream } = await question.gradient();
    const matrices: Tensor[] = [];
    for (const index of layers) {
      const gradient = await sumLast(positive(stream[index + 1]!), 'max').read();
      const [low, high] = [Math.min(...gradient), Math.max(...gradient)];
      const columns = Tensor.from(
        gradient.map((value) => (value - low) / (high - low)),
        [length],
      );
      const attention = (await question.attention()).layer(index);
      const all = positive(attention.matrix({ channels: 'all' }));
      const largest = await sumLast(all.view([1, all.size]), 'max').item();
      matrices.push(scope(() => multiply(affine(edges(attention, { reduce: 'meanPositive' }), 1 / largest), columns)));
    }
    const { matrix, exponent } = await multiplyLayers(
      matrices.map((each) => () => each),
      'rows',
    );
    results.push(...(await matrix.read()).map((value) => value * 2 ** exponent));
  }
  expectGolden(results, 'mamba_attr_matrix.start0');
});

test('the paper maps have the row sums of the recipes', async () => {
  const sums: Record<string, [number, number]> = {
    raw: [-0.628133, 0.785555],
    rollout: [-0.354511, 7.970958],
    'mamba-attribution': [1.129893, 1.272887],
  };
  for (const [method, expected] of Object.entries(sums)) {
    for (const [b, { maps }] of (await explained(method)).entries()) {
      expect(maps[0]!.scores.reduce((sum, score) => sum + score, 0)).toBeCloseTo(expected[b]!, 4);
    }
  }
});

test('no figure was left untested', () => {
  expect(untested()).toEqual([]);
});

async function explained(method: string, options: Record<string, unknown> = {}) {
  return explain({ model, input: rows, methods: [method], options: { [method]: options }, check: false });
}
