// Writes the tables and pictures of docs/evaluate/comparison.md out of comparison.json: node packages/evaluate/recipes/comparison/render.mjs
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { curves } from '@hidden-attention/plot';
import prettier from 'prettier';
import { kinds, tasks } from './comparison.mjs';

const docs = new URL('../../../../docs/evaluate/', import.meta.url);
const title = { mamba: 'Mamba', mamba2: 'Mamba-2', transformer: 'transformer' };
const begin = (task) => `<!-- ${task}: written by packages/evaluate/recipes/comparison/render.mjs -->`;
const end = (task) => `<!-- end of ${task} -->`;

/** Three digits that count. */
const digits = (value) => String(Number(value.toPrecision(3)));
/** A mean and half of its interval, of which two digits count. */
function spread({ mean, high }, scale = 1) {
  const half = scale * (high - mean);
  if (half < 1e-9) return digits(scale * mean);
  const decimals = Math.max(0, 1 - Math.floor(Math.log10(half)));
  return `${(scale * mean).toFixed(decimals)} ± ${half.toFixed(decimals)}`;
}
const percent = (interval) => `${spread(interval, 100)} %`;
const whole = (value) => value.toLocaleString('en');

const rowsOf = (task) => [
  ['parameters', (own) => whole(own.parameters)],
  [`accuracy on ${whole(task.heldOut)} held-out inputs`, (own) => percent(own.accuracy)],
  ['matrices an input', (own) => whole(own.matrices)],
  ['of these each a sum of', (own) => whole(own.states)],
  ['entropy of a row', (own) => spread(own.entropy)],
  ['mean distance, in positions', (own) => spread(own.distance)],
  ['rank', (own) => spread(own.rank)],
  ['sparsity', (own) => spread(own.sparsity)],
  ['near zero', (own) => percent(own.nearZero)],
  ['below zero', (own) => percent(own.negative)],
  ['below zero, by weight', (own) => percent(own.negativeWeight)],
  ['cosine similarity of positions, at first', (own) => spread(own.smoothing[0])],
  ['the same behind the last layer', (own) => spread(own.smoothing.at(-1))],
];

/** A task's table. */
function tableOf(task) {
  const head = ['', ...kinds.map((kind) => title[kind])];
  const lines = rowsOf(task).map(([name, cell]) => [name, ...kinds.map((kind) => cell(task.kinds[kind]))]);
  return [head, ['---', ...kinds.map(() => '---:')], ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** The table of the two models that read both ways, one training each: plain numbers. */
function pairOf(pair) {
  const names = Object.keys(pair);
  const mean = (own, figure) => digits(own.layers.reduce((sum, layer) => sum + layer[figure], 0) / own.layers.length);
  const lines = [
    ['parameters', (own) => whole(own.parameters)],
    ['accuracy', (own) => `${digits(100 * own.accuracy)} %`],
    ['layers', (own) => own.layers.length],
    ['matrices an input', (own) => whole(own.matrices)],
    ['entropy of a row', (own) => mean(own, 'entropy')],
    ['mean distance, in positions', (own) => mean(own, 'distance')],
    ['rank', (own) => mean(own, 'rank')],
    ['sparsity', (own) => mean(own, 'sparsity')],
    ['below zero, by weight', (own) => mean(own, 'negativeWeight')],
    ['cosine similarity of positions, depth by depth', (own) => own.smoothing.map((value) => value.toFixed(2)).join(', ')],
  ].map(([name, cell]) => [name, ...names.map((own) => cell(pair[own]))]);
  return [['', ...names.map((own) => `\`zoo:${own}\``)], ['---', ...names.map(() => '---:')], ...lines]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n');
}

const pictures = [
  ['distance', 'mean distance, in positions', (own) => own.layers.map(({ distance }) => distance)],
  ['entropy', 'entropy of a row', (own) => own.layers.map(({ entropy }) => entropy)],
  ['smoothing', 'cosine similarity of positions', (own) => own.smoothing],
];

/** A picture by depth: lines of means, bands of intervals. */
function picture(task, [, yLabel, pick]) {
  const series = kinds.map((kind) => {
    const values = pick(task.kinds[kind]);
    const x = values.map((_, depth) => depth + (values.length === task.kinds[kind].layers.length ? 1 : 0));
    return {
      name: title[kind],
      x,
      y: values.map(({ mean }) => mean),
      low: values.map(({ low }) => low),
      high: values.map(({ high }) => high),
    };
  });
  return curves({ series, xLabel: 'layer', yLabel, width: 420, height: 280 });
}

/** The page with tables and pictures of these figures in it. */
export async function rendered(page, report) {
  const put = (name, what) => {
    const [before, rest] = text.split(begin(name));
    text = `${before}${begin(name)}\n\n${what}\n\n${end(name)}${rest.split(end(name))[1]}`;
  };
  let text = page;
  put('both ways', pairOf(report.bothWays));
  for (const name of tasks) {
    const task = report[name];
    const shown = pictures.map(([file, yLabel]) => `![${yLabel}, layer by layer: ${name}](comparison/${name}-${file}.svg)`).join('\n');
    put(name, `${tableOf(task)}\n\n${shown}`);
  }
  const path = fileURLToPath(new URL('comparison.md', docs));
  return prettier.format(text, { ...(await prettier.resolveConfig(path)), filepath: path });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const report = JSON.parse(readFileSync(new URL('comparison.json', import.meta.url), 'utf8'));
  mkdirSync(new URL('comparison/', docs), { recursive: true });
  for (const name of tasks)
    for (const one of pictures) writeFileSync(new URL(`comparison/${name}-${one[0]}.svg`, docs), picture(report[name], one));
  const page = new URL('comparison.md', docs);
  writeFileSync(page, await rendered(readFileSync(page, 'utf8'), report));
}
