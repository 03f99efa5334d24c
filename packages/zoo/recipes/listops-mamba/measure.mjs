// How much of a map lies on the operand that decides an expression's value, where exactly one does, folded to the operands of the outermost
// operation:
//   node packages/zoo/recipes/listops-mamba/measure.mjs [--model FOLDER] [--data FILE] [--examples N]
// Of expressions that the model values rightly: the share of Σ|score| on the deciding operand beside its share of the symbols (what a map that
// knows nothing would give), and how often that operand has the largest sum, beside chance (one of its operands).
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { loadModel } from '@hidden-attention/checkpoint';
import { createRequire } from 'node:module';

/** Methods that are measured. */
export const methods = ['raw', 'rollout', 'mamba-attribution', 'gradient-x-input', 'mambalrp', 'decomposition'];

/** A map's scores, one a symbol, folded to operands [from, to): the sum of each. */
export const folded = (scores, operands) => operands.map(([from, to]) => scores.slice(from, to).reduce((sum, score) => sum + score, 0));

/** How a map stands to the operand that decides. */
export function found(scores, { operands, decides }) {
  const size = (values) => values.reduce((sum, value) => sum + Math.abs(value), 0);
  const [from, to] = operands[decides];
  const sums = folded(scores, operands);
  const inside = operands.reduce((sum, [start, end]) => sum + end - start, 0);
  return {
    share: size(scores.slice(from, to)) / size(operands.flatMap(([start, end]) => scores.slice(start, end))),
    symbols: (to - from) / inside,
    largest: sums.indexOf(Math.max(...sums)) === decides ? 1 : 0,
    chance: 1 / operands.length,
  };
}

/** Means of `found` over the examples that the model values rightly. @param explain of @hidden-attention/explain */
export async function measure({ model, tokenizer }, examples, explain, names = methods) {
  const sums = Object.fromEntries(names.map((name) => [name, { share: 0, symbols: 0, largest: 0, chance: 0 }]));
  let right = 0;
  for (const example of examples) {
    const [{ target, maps }] = await explain({ model, tokenizer, input: example.text, methods: names, check: false });
    if (target.label !== example.label) continue;
    right++;
    for (const { method, scores } of maps) {
      const one = found(scores, example);
      for (const key of Object.keys(one)) sums[method][key] += one[key];
    }
  }
  const means = Object.fromEntries(
    names.map((name) => [name, Object.fromEntries(Object.entries(sums[name]).map(([key, sum]) => [key, sum / right]))]),
  );
  return { examples: examples.length, right, maps: means };
}

async function main() {
  const cache = process.env.HIDDEN_ATTENTION_CACHE ?? join(homedir(), '.cache/hidden-attention');
  const text = (value) => ({ type: 'string', default: value });
  const { values } = parseArgs({
    options: {
      model: text(fileURLToPath(new URL('../../models/listops-mamba', import.meta.url))),
      data: text(join(cache, 'listops/test.jsonl')),
      examples: text('300'),
    },
  });
  const require = createRequire(new URL('../../../cli/package.json', import.meta.url));
  const { explain } = await import(require.resolve('@hidden-attention/explain'));
  const lines = readFileSync(values.data, 'utf8').trim().split('\n');
  const examples = lines
    .map((line) => JSON.parse(line))
    .filter(({ decides, operands }) => decides !== undefined && operands.length > 1)
    .slice(0, Number(values.examples));
  const report = await measure(await loadModel(values.model), examples, explain);
  console.log(JSON.stringify(report, null, 2));
  process.exit(0);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
