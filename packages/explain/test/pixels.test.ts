// Relevance of single pixels: what methods say of an image below its patches.
import { Model } from '@hidden-attention/model';
import { affine } from '@hidden-attention/tensor';
import { describe, expect, test } from 'vitest';
import { explain, Question, registerExplainer, type AttributionMap, type ImageInput } from '../src/index.js';
import { smallModel } from './models.js';

const vision = { img_size: 12, patch_size: 4, embed_dim: 12, depth: 2, num_classes: 3, initializer_range: 0.3 };
const image: ImageInput = { pixels: Float32Array.from({ length: 432 }, (_, at) => Math.sin(at * at)), shape: [3, 12, 12] };

const mapsOf = async (model: Model, methods: string[], options = {}): Promise<AttributionMap[]> =>
  (await explain({ model, input: { images: [image] }, target: 1, methods, options, check: false }))[0]!.maps;

describe.each([
  ['vim', smallModel({ ...vision, model_type: 'vim', d_state: 5, dt_rank: 3, bias: true })],
  ['vim, patches that overlap', smallModel({ ...vision, model_type: 'vim', d_state: 5, dt_rank: 3, stride: 2 })],
  ['vit', smallModel({ ...vision, model_type: 'vit', num_heads: 3 })],
] as [string, Model][])('%s', (_, model) => {
  test('a pixel gets its value times the slope of the score in it', async () => {
    const [map] = await mapsOf(model, ['gradient-x-input']);
    expect(map!.pixels!.shape).toEqual([12, 12]);
    const scoreWith = async (number: number, by: number): Promise<number> => {
      const pixels = image.pixels.slice();
      pixels[number]! += by;
      const question = new Question(model, { ...image, pixels }, 1);
      const score = await question.score();
      await question.dispose();
      return score;
    };
    const size = Math.max(...map!.pixels!.scores.map(Math.abs));
    for (const pixel of [0, 5 * 12 + 7, 143]) {
      let expected = 0;
      for (const channel of [0, 1, 2]) {
        const at = channel * 144 + pixel;
        expected += (image.pixels[at]! * ((await scoreWith(at, 0.02)) - (await scoreWith(at, -0.02)))) / 0.04;
      }
      expect(Math.abs(map!.pixels!.scores[pixel]! - expected)).toBeLessThan(0.02 * size);
    }
  });

  test('pixels of shares are shares: a black image gets none, and signs can be dropped', async () => {
    const [held] = await mapsOf(model, ['decomposition']);
    const black = { ...image, pixels: new Float32Array(432) };
    const [result] = await explain({ model, input: { images: [black] }, target: 1, methods: ['decomposition'], check: false });
    expect(result!.maps[0]!.pixels!.scores.every((score) => score === 0)).toBe(true);
    const request = { model, input: { images: [image] }, target: 1, methods: ['decomposition'], absolute: true, check: false } as const;
    expect((await explain(request))[0]!.maps[0]!.pixels!.scores).toEqual(held!.pixels!.scores.map(Math.abs));
  });
});

test('without positions and the bias of the projection a patch is the sum of its pixels', async () => {
  const random = smallModel({ ...vision, model_type: 'vim', d_state: 5, dt_rank: 3 });
  const parameters = new Map(random.parameters);
  for (const name of ['patch_embed.proj.bias', 'pos_embed']) parameters.set(name, affine(random.parameter(name), 0));
  const model = new Model(random.family, random.config, random.json, parameters, random.device);
  for (const { pixels, scores } of await mapsOf(model, ['decomposition', 'gradient-x-input'])) {
    const sums = new Float64Array(9);
    pixels!.scores.forEach((score, at) => (sums[Math.floor(at / 48) * 3 + Math.floor((at % 12) / 4)]! += score));
    const size = Math.max(...scores.map(Math.abs));
    scores.forEach((score, patch) => expect(Math.abs(sums[patch]! - score)).toBeLessThan(1e-4 * size));
  }
});

test('integrated gradients from a black image have pixels that add up to their patches', async () => {
  const model = smallModel({ ...vision, model_type: 'vim', d_state: 5, dt_rank: 3 });
  const options = (baseline: string): Record<string, Record<string, unknown>> => ({ 'integrated-gradients': { baseline, steps: 4 } });
  const input = { images: [{ ...image, black: [-0.5, 0.25, -1] }] };
  const run = async (baseline: string): Promise<AttributionMap> =>
    (await explain({ model, input, target: 1, methods: ['integrated-gradients'], options: options(baseline), check: false }))[0]!.maps[0]!;
  const { pixels, scores } = await run('black');
  const sums = new Float64Array(9);
  pixels!.scores.forEach((score, at) => (sums[Math.floor(at / 48) * 3 + Math.floor((at % 12) / 4)]! += score));
  const size = Math.max(...scores.map(Math.abs));
  scores.forEach((score, patch) => expect(Math.abs(sums[patch]! - score)).toBeLessThan(1e-4 * size));
  expect((await run('zero')).pixels).toBeUndefined();
});

test('saliency has the norm over channels, and texts have no pixels', async () => {
  const model = smallModel({ ...vision, model_type: 'vim', d_state: 5, dt_rank: 3 });
  const [l1, l2] = await Promise.all(['l1', 'l2'].map(async (norm) => (await mapsOf(model, ['saliency'], { saliency: { norm } }))[0]!));
  l1!.pixels!.scores.forEach((score, at) => expect(score).toBeGreaterThanOrEqual(l2!.pixels!.scores[at]! - 1e-6));
  const text = smallModel();
  const [result] = await explain({ model: text, input: [[1, 2, 3]], methods: ['saliency', 'decomposition'], check: false });
  for (const map of result!.maps) expect(map.pixels).toBeUndefined();
});

test('a method whose pixels are too few, or not finite, is refused by name', async () => {
  const model = smallModel({ ...vision, model_type: 'vim', d_state: 5, dt_rank: 3 });
  const base = { title: 'x', summary: 'x', cite: 'x', signed: true, supports: () => true } as const;
  registerExplainer({
    ...base,
    name: 'few-pixels',
    explain: (question) => Promise.resolve({ scores: new Float64Array(question.length), pixels: [1, 2] }),
  });
  registerExplainer({
    ...base,
    name: 'nan-pixels',
    explain: (question) => Promise.resolve({ scores: new Float64Array(question.length), pixels: new Float64Array(144).fill(NaN) }),
  });
  await expect(mapsOf(model, ['few-pixels'])).rejects.toThrow('few-pixels gives 2 scores of pixels for 12 × 12; one a pixel is needed');
  await expect(mapsOf(model, ['nan-pixels'])).rejects.toThrow('nan-pixels gives pixel 0 the score NaN');
});
