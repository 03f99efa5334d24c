import { join } from 'node:path';
import { loadModel, readImageProcessing, writeSafetensors } from '@hidden-attention/checkpoint';
import { createModel } from '@hidden-attention/model';
import { describe, expect, test } from 'vitest';
import { imageData } from '../src/data/images.js';
import { train } from '../src/index.js';
import { newFolder, weightsIn } from './support.js';

const model = {
  model_type: 'vim',
  img_size: 8,
  patch_size: 4,
  embed_dim: 16,
  depth: 1,
  d_state: 4,
  num_classes: 2,
  id2label: { 0: 'left', 1: 'right' },
};
const recipe = {
  task: 'classification',
  model,
  seed: 3,
  steps: 40,
  batchSize: 8,
  learningRate: 0.02,
  warmupSteps: 2,
  images: { mean: 0.2, deviation: 0.4, erase: 0.2 },
  validation: { fraction: 0.25 },
  evaluateEvery: 20,
  checkpointEvery: 10,
};

/** Images with a bright square at the left or at the right, as a file. */
async function squares(count: number, change: (labels: Uint8Array) => Uint8Array = (labels) => labels): Promise<string> {
  const images = new Uint8Array(count * 64);
  const labels = new Uint8Array(count);
  for (let n = 0; n < count; n++) {
    labels[n] = (n * 7) % 3 === 0 ? 1 : 0;
    const [top, left] = [n % 5, labels[n] ? 4 + (n % 2) : n % 2];
    for (let y = 0; y < 3; y++) for (let x = 0; x < 3; x++) images[n * 64 + (top + y) * 8 + left + x] = 150 + (n % 100);
  }
  const path = join(newFolder(), 'images.safetensors');
  await writeSafetensors(path, [
    { name: 'images', dtype: 'U8', shape: [count, 8, 8], data: images },
    { name: 'labels', dtype: 'U8', shape: [change(labels).length], data: change(labels) },
  ]);
  return path;
}

describe('a vision model', () => {
  test('learns where a square is, and leaves what its images need', async () => {
    const out = newFolder();
    const { evaluation } = await train({ config: recipe, data: [await squares(120)], out });
    expect(evaluation!.accuracy).toBeGreaterThan(0.9);
    expect(await readImageProcessing(join(out, 'preprocessor_config.json'))).toMatchObject({
      size: { height: 8, width: 8 },
      image_mean: [0.2, 0.2, 0.2],
      image_std: [0.4, 0.4, 0.4],
    });
    const loaded = await loadModel(out);
    expect(loaded.model.config.head).toMatchObject({ labels: ['left', 'right'] });
    loaded.model.dispose();
  });

  test('interrupted and resumed, ends with the same bits', async () => {
    const data = [await squares(60)];
    const config = { ...recipe, steps: 12, accumulation: 2, images: { ...recipe.images, shift: 2, mirror: true } };
    const whole = newFolder();
    await train({ config, data, out: whole });
    const parts = newFolder();
    const stop = new AbortController();
    await train({ config, data, out: parts, signal: stop.signal, onProgress: ({ step }) => step === 7 && stop.abort() });
    await train({ config, data, out: parts, resume: true });
    expect(weightsIn(parts).equals(weightsIn(whole))).toBe(true);
  });
});

describe('images while training', () => {
  const own = createModel(model);
  const settings = { seed: 1, batchSize: 6, accumulation: 1, validation: undefined };
  const plain = { mean: 0, deviation: 1, shift: 0, mirror: false, erase: 0 };

  test('come once a pass, in three equal channels, with their labels', async () => {
    const { training } = await imageData([await squares(18)], own, { ...settings, images: plain });
    expect(training.stepsPerEpoch).toBe(3);
    const seen: string[] = [];
    for (let step = 0; step < 3; step++) {
      const { images, labels } = training.batch(step, 0);
      expect(images!.shape).toEqual([6, 3, 8, 8]);
      labels.forEach((label, i) => {
        const [red, green, blue] = [0, 1, 2].map((c) => images!.pixels.subarray((i * 3 + c) * 64, (i * 3 + c + 1) * 64));
        expect([green, blue]).toEqual([red, red]);
        const right = red!.reduce((sum, value, at) => sum + (at % 8 >= 4 ? value : 0), 0);
        const all = red!.reduce((sum, value) => sum + value, 0);
        expect(right > all / 2).toBe(label === 1);
        seen.push(red!.join());
      });
    }
    expect(new Set(seen).size).toBe(18);
  });

  test('are moved, mirrored and erased by the seed, the step and the image alone', async () => {
    const path = await squares(12);
    const varied = { ...settings, images: { ...plain, shift: 2, mirror: true, erase: 1 } };
    const [first, second] = [await imageData([path], own, varied), await imageData([path], own, varied)];
    const pixels = (data: typeof first, step: number): number[] => [...data.training.batch(step, 0).images!.pixels];
    expect(pixels(first, 5)).toEqual(pixels(second, 5));
    expect(pixels(first, 0)).not.toEqual(pixels(await imageData([path], own, { ...settings, images: plain }), 0));
    const next = await imageData([path], own, { ...varied, seed: 2 });
    expect(pixels(next, 5)).not.toEqual(pixels(first, 5));
  });

  test('files that cannot be used are refused by name', async () => {
    const refused = async (path: string, images = plain): Promise<string> =>
      imageData([path], own, { ...settings, images }).then(
        () => 'taken',
        (error: Error) => error.message,
      );
    expect(await refused(await squares(6, (labels) => labels.subarray(1)))).toMatch(/6 images and 5 labels/);
    expect(await refused(await squares(6, (labels) => labels.map(() => 2)))).toMatch(/label 0 is 2; the model's classes are 0 to 1/);
    expect(await refused('/no/such.safetensors')).toMatch(/\/no\/such\.safetensors/);
    const other = join(newFolder(), 'x.safetensors');
    await writeSafetensors(other, [{ name: 'images', dtype: 'F32', shape: [1, 8, 8], data: new Float32Array(64) }]);
    expect(await refused(other)).toMatch(/images is F32 \[1, 8, 8\]; U8 \[count, height, width\] is needed/);
    await expect(train({ config: { ...recipe, images: undefined }, data: [await squares(6)], out: newFolder() })).rejects.toThrow(
      /the recipe has no field images/,
    );
  });
});
