// Measures the models of the comparison on held-out inputs, and writes means with intervals over the seeds:
//   node packages/evaluate/recipes/comparison/measure.mjs [--again] > packages/evaluate/recipes/comparison/comparison.json
//   node packages/evaluate/recipes/comparison/measure.mjs --excerpt > packages/evaluate/recipes/comparison/excerpt.json      the part that a test reruns
// The figures of a model are kept beside it (figures.json), and taken from there unless --again.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { attentionFigures, attentionView, overSmoothing } from '@hidden-attention/attention';
import { loadModel } from '@hidden-attention/checkpoint';
import { disposeBatch } from '@hidden-attention/model';
import { batches, heldOut, keptFolder, kinds, seeds, tasks, trainedFolder } from './comparison.mjs';

/** Channels of a layer whose matrices are looked at, spread evenly; all, where there are fewer. */
const mostChannels = 8;
/** Held-out inputs that are classified at most. */
const asked = 2000;
/** Held-out inputs whose attention is looked at. */
const lookedAt = 200;
/** What is said of a layer's matrices. */
export const figureNames = ['entropy', 'distance', 'rank', 'sparsity', 'nearZero', 'negative', 'negativeWeight'];

/** Share of the inputs that are given their own label. */
async function accuracyOf(model, inputs) {
  let right = 0;
  for (const { batch, labels } of batches(model, inputs, 50)) {
    const { logits } = model.forward(batch);
    const numbers = await logits.read();
    const classes = numbers.length / labels.length;
    labels.forEach((label, row) => {
      const own = numbers.subarray(row * classes, (row + 1) * classes);
      if (own.indexOf(Math.max(...own)) === label) right++;
    });
    logits.dispose();
    disposeBatch(batch);
  }
  return right / inputs.length;
}

/** Figures of the matrices of each layer and likeness of positions at each depth, means over inputs. */
async function looks(model, inputs) {
  const layers = Array.from({ length: model.config.layers }, () => Object.fromEntries(figureNames.map((name) => [name, 0])));
  const smoothing = Array.from({ length: model.config.layers + 1 }, () => 0);
  let [matrices, length] = [0, 0];
  for (const { batch } of batches(model, inputs, inputs[0].ids ? 1 : 25)) {
    const view = await attentionView(model, batch);
    matrices = 0;
    [, length] = view.layer(0).shape;
    for (let layer = 0; layer < view.layers; layer++) {
      const count = view.layer(layer).shape[2];
      matrices += count;
      const channels = Array.from({ length: Math.min(count, mostChannels) }, (_, i) =>
        Math.floor((i * count) / Math.min(count, mostChannels)),
      );
      for (const own of await attentionFigures(view.layer(layer), { channels }))
        for (const name of figureNames) layers[layer][name] += own[name] / inputs.length;
    }
    for (const own of await overSmoothing(model, batch)) own.forEach((value, depth) => (smoothing[depth] += value / inputs.length));
    view.dispose();
    disposeBatch(batch);
  }
  return { matrices, length, layers, smoothing };
}

/** Everything that is measured of one model. */
export async function measureModel(folder, all, some) {
  const { model } = await loadModel(folder);
  const { stateSize: states = 1 } = model.config;
  const found = { parameters: model.parameterCount, states, accuracy: await accuracyOf(model, all), ...(await looks(model, some)) };
  model.dispose();
  return found;
}

/** Quantiles at 97.5 % of Student's distribution, by degrees of freedom. */
const student = [NaN, 12.706, 4.303, 3.182, 2.776];

/** Mean of one number a seed, and the interval of 95 % in which Student's distribution has it. */
export function interval(values) {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
  const half = student[values.length - 1] * Math.sqrt(variance / values.length);
  return { mean, low: mean - half, high: mean + half };
}

const meanOf = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Means and intervals over the trainings of a kind. */
function overSeeds(runs) {
  const over = (pick) => interval(runs.map(pick));
  return {
    parameters: runs[0].parameters,
    matrices: runs[0].matrices,
    states: runs[0].states,
    accuracy: over(({ accuracy }) => accuracy),
    ...Object.fromEntries(figureNames.map((name) => [name, over(({ layers }) => meanOf(layers.map((layer) => layer[name])))])),
    layers: runs[0].layers.map((_, k) => Object.fromEntries(figureNames.map((name) => [name, over(({ layers }) => layers[k][name])]))),
    smoothing: runs[0].smoothing.map((_, k) => over(({ smoothing }) => smoothing[k])),
  };
}

/** The inputs whose attention is looked at: the first that are as long as the longest. */
function chosen(inputs, count) {
  if (!inputs[0].ids) return inputs.slice(0, count);
  const longest = Math.max(...inputs.map(({ ids }) => ids.length));
  return inputs.filter(({ ids }) => ids.length === longest).slice(0, count);
}

/** The figures of the models that are kept, on the inputs that are kept. */
export async function measureExcerpt() {
  const report = {};
  for (const task of tasks) {
    const all = await heldOut(task, true);
    report[task] = {};
    for (const kind of kinds) report[task][kind] = await measureModel(join(keptFolder, `${task}-${kind}`), all, chosen(all, 8));
  }
  return report;
}

/** The pair of the zoo that reads images both ways, as the paper's models do; one training each. */
async function bothWays() {
  const all = (await heldOut('images')).slice(0, asked);
  const report = {};
  for (const name of ['fashion-vim', 'fashion-vit'])
    report[name] = await measureModel(fileURLToPath(new URL(`../../../zoo/models/${name}`, import.meta.url)), all, chosen(all, lookedAt));
  return report;
}

/** Measures every model that is trained and not measured; then reports, or says what is missing. */
async function measureAll(again) {
  const report = {};
  const missing = [];
  for (const task of tasks) {
    const all = (await heldOut(task)).slice(0, asked);
    const some = chosen(all, lookedAt);
    const runs = Object.fromEntries(kinds.map((kind) => [kind, []]));
    for (const seed of seeds)
      for (const kind of kinds) {
        const folder = join(trainedFolder, `${task}-${kind}-${seed}`);
        const kept = join(folder, 'figures.json');
        if (!existsSync(join(folder, 'training.json'))) {
          missing.push(folder);
          continue;
        }
        if (again || !existsSync(kept)) {
          console.error(`measuring ${task} ${kind} ${seed} ...`);
          writeFileSync(kept, JSON.stringify(await measureModel(folder, all, some)));
        }
        runs[kind].push(JSON.parse(readFileSync(kept, 'utf8')));
      }
    if (missing.length === 0)
      report[task] = {
        heldOut: all.length,
        lookedAt: some.length,
        length: runs.mamba[0].length,
        kinds: Object.fromEntries(kinds.map((kind) => [kind, overSeeds(runs[kind])])),
      };
  }
  if (missing.length > 0)
    throw new Error(`no trained model in ${missing.join(', ')}; run node packages/evaluate/recipes/comparison/train.mjs`);
  return { ...report, bothWays: await bothWays() };
}

async function main() {
  const { values } = parseArgs({ options: { excerpt: { type: 'boolean', default: false }, again: { type: 'boolean', default: false } } });
  console.log(JSON.stringify(await (values.excerpt ? measureExcerpt() : measureAll(values.again)), null, 2));
  process.exit(0);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
