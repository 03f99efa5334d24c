// How much of a map lies on the operand that decides an expression's value, where exactly one does, folded to the operands of the outermost
// operation:
//   node packages/zoo/recipes/listops-mamba/measure.mjs [--model FOLDER] [--data FILE] [--examples N] [--symbols MOST] [--methods A,B]
// Of expressions that the model values rightly: the share of Σ|score| on the deciding operand, and how often that operand has the largest sum;
// and the same of scores drawn at random, which know nothing.
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { loadModel } from '@hidden-attention/checkpoint';
import { createRequire } from 'node:module';
import { fraction } from '../files.mjs';

/** Methods that are measured. */
export const methods = [
  'raw',
  'rollout',
  'mamba-attribution',
  'transformer-attribution',
  'gradient-x-input',
  'mambalrp',
  'decomposition',
  'occlusion',
];

/** A map's scores, one a symbol, folded to operands [from, to): the sum of each. */
export const folded = (scores, operands) => operands.map(([from, to]) => scores.slice(from, to).reduce((sum, score) => sum + score, 0));

/** How a map stands to the operand that decides; one of zeros alone counts as chance. */
export function found(scores, { operands, decides }) {
  const size = (values) => values.reduce((sum, value) => sum + Math.abs(value), 0);
  const [from, to] = operands[decides];
  const sums = folded(scores, operands);
  const inside = operands.reduce((sum, [start, end]) => sum + end - start, 0);
  const all = size(operands.flatMap(([start, end]) => scores.slice(start, end)));
  if (all === 0)
    return { share: (to - from) / inside, symbols: (to - from) / inside, largest: 1 / operands.length, chance: 1 / operands.length };
  return {
    share: size(scores.slice(from, to)) / all,
    symbols: (to - from) / inside,
    largest: sums.indexOf(Math.max(...sums)) === decides ? 1 : 0,
    chance: 1 / operands.length,
  };
}

/** Scores that know nothing: drawn evenly from 0 to 1, the same for the same text. */
const random = (text) => text.split(' ').map((_, at) => fraction('listops-1/random', `${at} ${text}`));

/**
 * Means of `found` over the examples that the model values rightly, for each method that supports the model, and for `random` scores.
 * @param explain of @hidden-attention/explain
 */
export async function measure({ model, tokenizer }, examples, explain, names = methods) {
  const sums = {};
  const add = (name, one) => {
    sums[name] ??= { share: 0, symbols: 0, largest: 0, chance: 0 };
    for (const key of Object.keys(one)) sums[name][key] += one[key];
  };
  let right = 0;
  for (const example of examples) {
    const [{ target, maps }] = await explain({ model, tokenizer, input: example.text, methods: names, check: false });
    if (target.label !== example.label) continue;
    right++;
    for (const { method, scores } of maps) add(method, found(scores, example));
    add('random', found(random(example.text), example));
  }
  const means = Object.entries(sums).map(([name, sum]) => [
    name,
    Object.fromEntries(Object.entries(sum).map(([key, total]) => [key, total / right])),
  ]);
  return { examples: examples.length, right, maps: Object.fromEntries(means) };
}

async function main() {
  const cache = process.env.HIDDEN_ATTENTION_CACHE ?? join(homedir(), '.cache/hidden-attention');
  const text = (value) => ({ type: 'string', default: value });
  const { values } = parseArgs({
    options: {
      model: text(fileURLToPath(new URL('../../models/listops-mamba', import.meta.url))),
      data: text(join(cache, 'listops/test.jsonl')),
      examples: text('300'),
      symbols: text('2000'),
      methods: text(methods.join()),
    },
  });
  const require = createRequire(new URL('../../../cli/package.json', import.meta.url));
  const { explain } = await import(require.resolve('@hidden-attention/explain'));
  const lines = readFileSync(values.data, 'utf8').trim().split('\n');
  const examples = lines
    .map((line) => JSON.parse(line))
    .filter(({ text: own, decides, operands }) => decides !== undefined && operands.length > 1 && own.split(' ').length <= values.symbols)
    .slice(0, Number(values.examples));
  const { right, maps } = await measure(await loadModel(values.model), examples, explain, values.methods.split(','));
  const percent = (share) => `${(100 * share).toFixed(1)} %`;
  console.log(`${right} of ${examples.length} expressions valued rightly`);
  console.log('| map | share on the deciding operand | it has the largest sum |\n| --- | ---: | ---: |');
  for (const [name, { share, largest }] of Object.entries(maps)) console.log(`| ${name} | ${percent(share)} | ${percent(largest)} |`);
  process.exit(0);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
