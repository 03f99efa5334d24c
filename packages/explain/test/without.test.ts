import { answersWithout, type ImageInput } from '@hidden-attention/explain';
import { createModel } from '@hidden-attention/model';
import { describe, expect, test } from 'vitest';
import { classifier, randomIds, randomNumbers } from './models.js';

const model = createModel(
  {
    model_type: 'vim',
    architectures: ['VisionMamba'],
    img_size: 8,
    patch_size: 4,
    in_channels: 3,
    embed_dim: 16,
    depth: 2,
    d_state: 4,
    num_classes: 3,
  },
  { seed: 3 },
);
const image: ImageInput = { pixels: randomNumbers(5, 192), shape: [3, 8, 8], black: [-2, -1, 0] };
const answer = async (pixels: Float32Array): Promise<number[]> => [
  ...(await answersWithout({ model, image: { ...image, pixels } }, [[]]))[0]!,
];
const without = async (places: number[], more: object): Promise<number[]> => [
  ...(await answersWithout({ model, image, ...more }, [places]))[0]!,
];

describe('images', () => {
  const upperRight = Array.from({ length: 16 }, (_, i) => Math.floor(i / 4) * 8 + 4 + (i % 4));
  test('a patch is its pixels', async () => {
    expect(await without([1], {})).toEqual(await without(upperRight, { by: 'pixel' }));
  });
  test('black is black of each channel, mean the mean of each', async () => {
    const changed = (value: (channel: number) => number): Float32Array => {
      const pixels = image.pixels.slice();
      for (let channel = 0; channel < 3; channel++) for (const at of upperRight) pixels[channel * 64 + at] = value(channel);
      return pixels;
    };
    const mean = (channel: number): number => image.pixels.subarray(channel * 64, channel * 64 + 64).reduce((a, b) => a + b, 0) / 64;
    expect(await without([1], {})).toEqual(await answer(changed((channel) => image.black![channel]!)));
    expect(await without([1], { fill: 'mean' })).toEqual(await answer(changed(mean)));
  });
  test('blurring leaves a plain picture as it is, and keeps brightness where edges are far', async () => {
    const plain: ImageInput = { ...image, pixels: new Float32Array(192).fill(0.25) };
    const all = Array.from({ length: 64 }, (_, i) => i);
    const [clean, blurred] = await answersWithout({ model, image: plain, fill: 'blur', by: 'pixel' }, [[], all]);
    for (const [k, logit] of clean!.entries()) expect(blurred![k]).toBeCloseTo(logit, 5);
    expect(await without(all, { fill: 'blur', by: 'pixel' })).not.toEqual(await without([], {}));
  });
  test('a place that does not exist is refused', async () => {
    await expect(without([64], { by: 'pixel' })).rejects.toThrow('pixel 64 cannot be removed; there are 64, from 0');
  });
});

describe('texts', () => {
  const text = { model: classifier('mean'), ids: randomIds(1, 9) };
  test('tokens are cut out, or replaced', async () => {
    const cut = [...text.ids.slice(0, 2), ...text.ids.slice(3)];
    const replaced = text.ids.map((id, at) => (at === 2 ? 7 : id));
    expect(await answersWithout(text, [[2]])).toEqual(await answersWithout({ ...text, ids: cut }, [[]]));
    expect(await answersWithout({ ...text, replaceWith: 7 }, [[2]])).toEqual(await answersWithout({ ...text, ids: replaced }, [[]]));
  });
  test('nothing is no text', async () => {
    await expect(answersWithout(text, [[0, 1, 2, 3, 4, 5, 6, 7, 8]])).rejects.toThrow('all 9 tokens would be removed; leave one');
  });
});
