// Whether patches near the class token weigh more in the hidden attention of Vision Mamba (Ali, Zimerman, Wolf 2024, figure 2), by where the
// class token stands:
//   node packages/zoo/recipes/class-token/measure.mjs [--models FOLDER] [--data FOLDER] [--images N]
// For every layer: Spearman's rank correlation between how much a patch weighs in the class token's row (mean over channels of |α|, both
// directions, averaged over test images) and how near it stands; and the share of the row's weight on the nearest quarter of the patches.
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { attentionView } from '@hidden-attention/attention';
import { loadModel, readSafetensors } from '@hidden-attention/checkpoint';

/** Where the class token can stand; at either end there are two. */
export const places = ['first', 'middle', 'last', 'ends'];

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

/** Grey test images of a data file as a model of the recipe reads them. */
export async function testImages(path, count, { mean, deviation }) {
  const file = await readSafetensors(path);
  const images = file.tensors.get('images');
  const [all, height, width] = images.shape;
  const some = Math.min(all, count);
  const grey = await images.read();
  await file.close();
  const size = height * width;
  const pixels = new Float32Array(some * 3 * size);
  for (let i = 0; i < some; i++) {
    const own = Float32Array.from(grey.subarray(i * size, (i + 1) * size), (value) => (value / 255 - mean) / deviation);
    for (let channel = 0; channel < 3; channel++) pixels.set(own, (3 * i + channel) * size);
  }
  return { pixels, shape: [some, 3, height, width] };
}

async function main() {
  const { values } = parseArgs({
    options: { models: { type: 'string' }, data: { type: 'string' }, images: { type: 'string', default: '1000' } },
  });
  const cache = process.env.HIDDEN_ATTENTION_CACHE ?? join(homedir(), '.cache/hidden-attention');
  const models = values.models ?? fileURLToPath(new URL('models', import.meta.url));
  const report = {};
  for (const place of places) {
    const recipe = JSON.parse(readFileSync(new URL(`${place}.json`, import.meta.url), 'utf8'));
    const { pixels, shape } = await testImages(
      values.data ?? join(cache, 'images/fashion/test.safetensors'),
      Number(values.images),
      recipe.images,
    );
    const { model } = await loadModel(join(models, place));
    const { evaluation } = JSON.parse(readFileSync(join(models, place, 'training.json'), 'utf8'));
    report[place] = { accuracy: evaluation.accuracy, layers: await classTokenBias(model, pixels, shape) };
  }
  console.log(JSON.stringify(report, null, 2));
  process.exit(0);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
