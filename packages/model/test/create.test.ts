import { expect, test } from 'vitest';
import { createModel, type Model } from '../src/index.js';
import { goldenConfig, tiny, tinyClassifier, tinyModel } from './fixtures/models.js';

async function numbersOf(model: Model): Promise<Record<string, number[]>> {
  const all: Record<string, number[]> = {};
  for (const [name, tensor] of model.parameters) all[name] = Array.from(await tensor.read());
  return all;
}

test('the same seed gives the same bits, another seed others', async () => {
  expect(await numbersOf(createModel(tiny, { seed: 5 }))).toEqual(await numbersOf(createModel(tiny, { seed: 5 })));
  expect(await numbersOf(createModel(tiny, { seed: 5 }))).not.toEqual(await numbersOf(createModel(tiny, { seed: 6 })));
});

test('parameters have the published names and shapes', () => {
  const shapes = Object.fromEntries(
    [...tinyModel({ use_bias: true, tie_word_embeddings: false }).parameters].map(([name, { shape }]) => [name, shape]),
  );
  expect(shapes).toMatchObject({
    'backbone.embeddings.weight': [19, 10],
    'backbone.layers.1.norm.weight': [10],
    'backbone.layers.1.mixer.in_proj.weight': [28, 10],
    'backbone.layers.1.mixer.in_proj.bias': [28],
    'backbone.layers.1.mixer.conv1d.weight': [14, 1, 4],
    'backbone.layers.1.mixer.conv1d.bias': [14],
    'backbone.layers.1.mixer.x_proj.weight': [13, 14],
    'backbone.layers.1.mixer.dt_proj.weight': [14, 3],
    'backbone.layers.1.mixer.dt_proj.bias': [14],
    'backbone.layers.1.mixer.A_log': [14, 5],
    'backbone.layers.1.mixer.D': [14],
    'backbone.layers.1.mixer.out_proj.weight': [10, 14],
    'backbone.norm_f.weight': [10],
    'lm_head.weight': [19, 10],
  });
  expect(Object.keys(shapes)).toHaveLength(2 * 12 + 3);
  expect(createModel(tinyClassifier).parameter('score.weight').shape).toEqual([3, 10]);
  expect(createModel(goldenConfig).parameterCount).toBe(151360);
});

test('fresh dynamics are those of the reference: A = −(1…N), D = 1, softplus(bias) between the smallest and the largest step', async () => {
  const model = createModel({ ...tiny, intermediate_size: 400, time_step_min: 0.002, time_step_max: 0.05 });
  const read = async (name: string): Promise<number[]> => Array.from(await model.parameter(`backbone.layers.0.mixer.${name}`).read());
  expect((await read('A_log')).slice(5, 10).map((number) => -Math.exp(number))).toEqual([1, 2, 3, 4, 5].map((n) => expect.closeTo(-n, 5)));
  expect(new Set(await read('D'))).toEqual(new Set([1]));
  const steps = (await read('dt_proj.bias')).map((bias) => Math.log1p(Math.exp(bias)));
  expect(Math.min(...steps)).toBeGreaterThan(0.0019);
  expect(Math.max(...steps)).toBeLessThan(0.0501);
  // log-uniform: half of them lie below the geometric mean, 0.01
  expect(steps.filter((step) => step < 0.01).length / 400).toBeCloseTo(0.5, 1);
});

test('an unknown parameter is refused with the nearest', () => {
  expect(() => tinyModel().parameter('backbone.layers.0.mixer.E')).toThrow(
    /no parameter "backbone\.layers\.0\.mixer\.E"; the nearest are backbone\.layers\.0\.mixer\.D/,
  );
});
