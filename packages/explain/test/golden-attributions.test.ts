// The reference figures of the gradient-based attributions and of MambaLRP, on the weights of mamba1-lm.
import { fileURLToPath } from 'node:url';
import { Model } from '@hidden-attention/model';
import { add, affine, Tensor } from '@hidden-attention/tensor';
import { afterAll, expect, test } from 'vitest';
import { explain, Question, rules, type ExplainRequest } from '../src/index.js';
import { embeddingsOf, weightedGradients } from '../src/methods/embeddings.js';
import { quadrature } from '../src/methods/integrated-gradients.js';
import { smoothed } from '../src/methods/smoothgrad.js';
import { goldenModel } from './golden.js';
import { goldenFigures } from './golden-figures.js';

const { expectGolden, golden, goldenInput, shapeOf, untested } = await goldenFigures(
  fileURLToPath(new URL('golden/attributions/', import.meta.url)),
);
const model = await goldenModel();
const [batch, length] = shapeOf('input_ids') as [number, number];
const rows = Array.from({ length: batch }, (_, row) => goldenInput('input_ids').slice(row * length, (row + 1) * length));
const targets = goldenInput('target');
const questions = rows.map((ids, row) => new Question(model, ids, targets[row]));
afterAll(() => Promise.all(questions.map((question) => question.dispose())));

/** A figure of every question, one after another. */
async function ofAll(figure: (question: Question, row: number) => Promise<ArrayLike<number>>): Promise<number[]> {
  const all: number[] = [];
  for (const [row, question] of questions.entries()) all.push(...Array.from(await figure(question, row)));
  return all;
}
const scores = async (method: string, options: Record<string, unknown> = {}, request: Partial<ExplainRequest> = {}): Promise<number[]> =>
  (
    await explain({ model, input: rows, target: targets, methods: [method], options: { [method]: options }, check: false, ...request })
  ).flatMap(({ maps }) => maps[0]!.scores);

test('the question: logits, embeddings, gradients', async () => {
  expectGolden(await ofAll(async (question) => [await question.score()]), 'target_logit');
  expectGolden(await ofAll((question) => embeddingsOf(question).read()), 'embeddings');
  expectGolden(await ofAll(async (question) => (await question.gradient()).stream[0]!.read()), 'gradient');
});

test('gradient × input and saliency in three norms', async () => {
  expectGolden(await scores('gradient-x-input'), 'gradient_x_input');
  for (const norm of ['l1', 'l2', 'max']) expectGolden(await scores('saliency', { norm }), `saliency_${norm}`);
});

test('integrated gradients from zeros, 32 midpoints, which do not converge', async () => {
  const options = { steps: 32, rule: 'midpoint', baseline: 'zero' };
  expectGolden(await scores('integrated-gradients', options), 'integrated_gradients_token');
  const { at, weights } = quadrature('midpoint', 32);
  expectGolden(
    await ofAll(async (question) => {
      const embeddings = embeddingsOf(question);
      const mean = await weightedGradients(question, weights, (k) => affine(embeddings, at[k]!));
      const [e, g] = [await embeddings.read(), await mean.read()];
      mean.dispose();
      return e.map((value, i) => value * g[i]!);
    }),
    'integrated_gradients',
  );
  const results = await explain({
    model,
    input: rows,
    target: targets,
    methods: ['integrated-gradients'],
    options: { 'integrated-gradients': options },
    check: false,
  });
  const ends = results.map(({ maps }) => maps[0]!.certificate.convergence!);
  expectGolden(
    ends.map(({ from }) => from),
    'integrated_gradients_baseline_logit',
  );
  // the gaps of case.json: Σ scores − (score − baseline)
  ends.forEach(({ from, to, scores: sum }, row) => expect(sum - (to - from)).toBeCloseTo([-11.568544, 1.893957][row]!, 2));
});

test('SmoothGrad with the figures’ noise', async () => {
  const [samples] = shapeOf('smoothgrad_noise') as [number];
  const noise = goldenInput('smoothgrad_noise');
  const size = noise.length / samples / batch;
  const of = (row: number) => (k: number) =>
    Tensor.from(
      Float32Array.from(noise.slice((k * batch + row) * size, (k * batch + row + 1) * size)),
      embeddingsOf(questions[row]!).shape,
    );
  const weights = Array.from({ length: samples }, () => 1 / samples);
  expectGolden(
    await ofAll(async (question, row) => {
      const noisy = of(row);
      const mean = await weightedGradients(question, weights, (k) => {
        return add(embeddingsOf(question), noisy(k));
      });
      const numbers = await mean.read();
      mean.dispose();
      return numbers;
    }),
    'smoothgrad',
  );
  expectGolden(await ofAll((question, row) => smoothed(question, samples, of(row), 'gradient-x-input')), 'smoothgrad_x_input');
  expectGolden(await ofAll((question, row) => smoothed(question, samples, of(row), 'squared')), 'smoothgrad_squared_token');
});

test('MambaLRP: gradients, relevance, its sum, and without biases the logit', async () => {
  expectGolden(await ofAll(async (question) => (await question.gradient(rules.mambaLrp)).stream[0]!.read()), 'mambalrp_modified_gradient');
  const relevance = await scores('mambalrp');
  expectGolden(relevance, 'mambalrp_relevance');
  const sums = (values: readonly number[]): number[] =>
    rows.map((_, row) => values.slice(row * length, (row + 1) * length).reduce((total, value) => total + value, 0));
  expectGolden(sums(relevance), 'mambalrp_relevance_sum');
  const parameters = new Map(model.parameters);
  for (const [name, value] of model.parameters)
    if (name.endsWith('bias') && !name.endsWith('dt_proj.bias')) parameters.set(name, Tensor.full(value.shape, 0));
  const plain = new Model(model.family, model.config, model.json, parameters, model.device);
  const results = await explain({ model: plain, input: rows, target: targets, methods: ['mambalrp'], check: false });
  const without = results.flatMap(({ maps }) => maps[0]!.scores);
  expectGolden(without, 'mambalrp_zero_bias_relevance');
  expectGolden(sums(without), 'mambalrp_zero_bias_relevance_sum');
  expectGolden(
    results.map(({ target }) => target.logit),
    'mambalrp_zero_bias_logit',
  );
  for (const { maps } of results) expect(maps[0]!.certificate.completeness!.gap).toBeLessThan(1e-4);
});

test('every figure was looked at', () => {
  expect(untested()).toEqual([]);
  expect(golden('target')).toHaveLength(batch);
});
