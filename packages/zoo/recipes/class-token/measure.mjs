// Whether patches near the class token weigh more in the hidden attention of Vision Mamba (Ali, Zimerman, Wolf 2024, figure 2), by where the
// class token stands, and of the same models before they were trained:
//   node packages/zoo/recipes/class-token/measure.mjs [--models FOLDER] [--data FOLDER] [--images N]
//   node packages/zoo/recipes/class-token/measure.mjs --excerpt > packages/zoo/recipes/class-token/excerpt.json     the part that a test reruns
// For every layer: Spearman's rank correlation between how much a patch weighs in the class token's row (mean over channels of |α|, both
// directions, averaged over test images) and how near it stands; and the share of the row's weight on the nearest quarter of the patches.
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { attentionView } from '@hidden-attention/attention';
import { loadModel, readImage, readSafetensors } from '@hidden-attention/checkpoint';
import { createModel } from '@hidden-attention/model';

/** Where the class token stands. */
export const places = ['first', 'middle', 'last'];

/** Ranks from 0, of equals their mean. */
function ranks(values) {
  const order = [...values.keys()].sort((a, b) => values[a] - values[b]);
  const result = Array(values.length);
  for (let from = 0; from < order.length;) {
    let to = from;
    while (to + 1 < order.length && values[order[to + 1]] === values[order[from]]) to++;
    for (let i = from; i <= to; i++) result[order[i]] = (from + to) / 2;
    from = to + 1;
  }
  return result;
}

/** Spearman's rank correlation. */
export function spearman(a, b) {
  const [x, y] = [ranks(a), ranks(b)];
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [mx, my] = [mean(x), mean(y)];
  const covariance = x.reduce((sum, value, i) => sum + (value - mx) * (y[i] - my), 0);
  const size = (values, center) => Math.sqrt(values.reduce((sum, value) => sum + (value - center) ** 2, 0));
  return covariance / (size(x, mx) * size(y, my));
}

/**
 * What a model's class tokens read, layer by layer.
 * @param images normalised pixels (n 3 h w) and their shape
 */
export async function classTokenBias(model, pixels, [count, ...shape]) {
  const size = shape.reduce((product, side) => product * side, 1);
  const weights = []; // by layer, by position
  let classPositions;
  for (let start = 0; start < count; start += 50) {
    const rows = Math.min(50, count - start);
    const batch = model.images(pixels.subarray(start * size, (start + rows) * size), [rows, ...shape]);
    ({ classPositions } = batch);
    const length = batch.lengths[0];
    const view = await attentionView(model, batch);
    for (let layer = 0; layer < view.layers; layer++) {
      weights[layer] ??= new Float64Array(length);
      for (const position of classPositions) {
        const row = view.layer(layer).row(position, { reduce: 'meanAbs' });
        const numbers = await row.read();
        row.dispose();
        numbers.forEach((value, at) => (weights[layer][at % length] += value / count / classPositions.length));
      }
    }
    view.dispose();
    batch.patches.dispose();
  }
  const patches = [...weights[0].keys()].filter((at) => !classPositions.includes(at));
  const distance = patches.map((at) => Math.min(...classPositions.map((position) => Math.abs(at - position))));
  const nearest = [...patches.keys()].sort((a, b) => distance[a] - distance[b]).slice(0, Math.round(patches.length / 4));
  return weights.map((all) => {
    const own = patches.map((at) => all[at]);
    const total = own.reduce((sum, value) => sum + value, 0);
    return {
      spearman: spearman(
        own,
        distance.map((value) => -value),
      ),
      nearestQuarter: nearest.reduce((sum, i) => sum + own[i], 0) / total,
    };
  });
}

/** Grey images (n h w) of bytes as a model of the recipe reads them. */
function normalised(grey, [count, height, width], { mean, deviation }) {
  const size = height * width;
  const pixels = new Float32Array(count * 3 * size);
  for (let i = 0; i < count; i++) {
    const own = Float32Array.from(grey.subarray(i * size, (i + 1) * size), (value) => (value / 255 - mean) / deviation);
    for (let channel = 0; channel < 3; channel++) pixels.set(own, (3 * i + channel) * size);
  }
  return { pixels, shape: [count, 3, height, width] };
}

/** The first test images of a data file. */
export async function testImages(path, count, options) {
  const file = await readSafetensors(path);
  const images = file.tensors.get('images');
  const [all, height, width] = images.shape;
  const some = Math.min(all, count);
  const grey = await images.read();
  await file.close();
  return normalised(grey.subarray(0, some * height * width), [some, height, width], options);
}

/** The test images that are kept in `images/excerpt`. */
export async function excerptImages(options) {
  const folder = fileURLToPath(new URL('../images/excerpt', import.meta.url));
  const { images } = JSON.parse(readFileSync(join(folder, 'labels.json'), 'utf8'));
  const read = await Promise.all(images.map(({ file }) => readImage(join(folder, file))));
  const [{ width, height }] = read;
  const grey = Uint8Array.from(read.flatMap(({ data }) => [...data].filter((_, at) => at % 3 === 0)));
  return normalised(grey, [read.length, height, width], options);
}

/**
 * The figures of all places, trained and untrained.
 * @param models the folder of the trained models
 * @param imagesFor gives the images, for a recipe's `images`
 */
export async function measure(models, imagesFor) {
  const report = {};
  for (const place of places) {
    const recipe = JSON.parse(readFileSync(new URL(`${place}.json`, import.meta.url), 'utf8'));
    const { pixels, shape } = await imagesFor(recipe.images);
    const { model } = await loadModel(join(models, place));
    const untrained = createModel(recipe.model, { seed: recipe.seed });
    report[place] = {
      trained: await classTokenBias(model, pixels, shape),
      untrained: await classTokenBias(untrained, pixels, shape),
    };
  }
  return report;
}

/** The trained models that are kept here. */
export const ownModels = fileURLToPath(new URL('models', import.meta.url));

async function main() {
  const { values } = parseArgs({
    options: {
      models: { type: 'string', default: ownModels },
      data: { type: 'string' },
      images: { type: 'string', default: '1000' },
      excerpt: { type: 'boolean', default: false },
    },
  });
  const cache = process.env.HIDDEN_ATTENTION_CACHE ?? join(homedir(), '.cache/hidden-attention');
  const path = values.data ?? join(cache, 'images/fashion/test.safetensors');
  const imagesFor = values.excerpt ? excerptImages : (options) => testImages(path, Number(values.images), options);
  console.log(JSON.stringify(await measure(values.models, imagesFor), null, 2));
  process.exit(0);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
