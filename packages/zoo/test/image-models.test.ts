// The shipped models of images, on the test images that are kept.
import { readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { prepareImage, readImage, readImageProcessing } from '@hidden-attention/checkpoint';
import { expect, test } from 'vitest';
import { listZoo, loadZoo, zooPath } from '../src/index.js';

const excerpt = fileURLToPath(new URL('../recipes/images/excerpt', import.meta.url));
const kept = JSON.parse(readFileSync(join(excerpt, 'labels.json'), 'utf8')) as Record<
  'images' | 'scenes',
  { file: string; label: number }[]
>;
const names = listZoo().filter((name) => /^(fashion|scenes|pixels)-/.test(name));

/** How many of the kept images a model is right about at least; its card has the figures of all test images. */
const least: Record<string, number> = { fashion: 17, scenes: 5, 'pixels-mamba': 11, 'pixels-transformer': 8 };

test.each(names)('zoo:%s is small, and right about as many of the kept images as it was', async (name) => {
  expect(statSync(join(zooPath(name), 'model.safetensors')).size).toBeLessThanOrEqual(2 * 2 ** 20);
  const { model, folder } = await loadZoo(name);
  const processing = await readImageProcessing(join(folder, 'preprocessor_config.json'));
  const [data] = name.split('-') as [string];
  const images = kept[data === 'scenes' ? 'scenes' : 'images'];
  const prepared = await Promise.all(images.map(async ({ file }) => prepareImage(await readImage(join(excerpt, file)), processing).pixels));
  const side = Math.sqrt(prepared[0]!.length / 3);
  const all = new Float32Array(images.length * 3 * side * side);
  prepared.forEach((pixels, i) => all.set(pixels, i * pixels.length));
  const logits = await model.forward(model.images(all, [images.length, 3, side, side])).logits!.read();
  const right = images.filter(({ label }, i) => {
    const own = logits.subarray(10 * i, 10 * i + 10);
    return own.indexOf(Math.max(...own)) === label;
  });
  expect(right.length).toBeGreaterThanOrEqual((least[name] ?? least[data])!);
});

test('a Vision Mamba and a ViT of the same data are of equal size, within five in a hundred', async () => {
  for (const data of ['fashion', 'scenes']) {
    const pair = [`${data}-vim`, `${data}-vit`];
    const [vim, vit] = await Promise.all(pair.map(async (name) => (await loadZoo(name)).model.parameterCount));
    expect(Math.abs(vim! - vit!) / vim!).toBeLessThan(0.05);
  }
});
