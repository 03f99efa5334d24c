// What can be had without reading lists within lists, by length:
//   node packages/zoo/recipes/listops-mamba/baselines.mjs [--data FOLDER]
// "largest class": always the value that is most frequent; "all digits": the outermost operation on all digits, wherever they stand; "own
// digits": the outermost operation on those operands that are digits themselves (on all digits, where none is).
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const apply = {
  '[MAX': (digits) => Math.max(...digits),
  '[MIN': (digits) => Math.min(...digits),
  '[MED': (digits) => digits.toSorted((a, b) => a - b)[(digits.length - 1) >> 1],
};

/** Baselines that answer an expression of a test file by itself. */
export const baselines = {
  'all digits': ({ text }) => apply[text.slice(0, 4)](text.match(/\d/g).map(Number)),
  'own digits': (line) => {
    const list = line.text.split(' ');
    const own = line.operands.filter(([from, to]) => to === from + 1).map(([from]) => Number(list[from]));
    return own.length > 0 ? apply[list[0]](own) : baselines['all digits'](line);
  },
};

/** Whether there is a list within the list. */
const isNested = (text) => text.lastIndexOf('[') > 0;

/** Shares of right answers: of all, and by length in symbols: of all of a length, of flat lists, of nested ones. @param answers [text, right] */
export function byLength(answers) {
  const counts = new Map();
  for (const [text, right] of answers) {
    const range = `up to ${[20, 100, 500, 2000].find((most) => text.split(' ').length <= most)}`;
    for (const key of ['accuracy', range, `${range}, ${isNested(text) ? 'nested' : 'flat'}`]) {
      const [yes, all] = counts.get(key) ?? [0, 0];
      counts.set(key, [yes + (right ? 1 : 0), all + 1]);
    }
  }
  return Object.fromEntries([...counts].map(([key, [yes, all]]) => [key, yes / all]));
}

/** The lines of a part: test or long. */
export function linesOf(folder, part) {
  return readFileSync(join(folder, `${part}.jsonl`), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

/** How often each baseline is right about the lines of a part, by length. */
export function baselineFigures(lines) {
  const counts = new Map();
  for (const { label } of lines) counts.set(label, (counts.get(label) ?? 0) + 1);
  const [largest] = [...counts].sort((a, b) => b[1] - a[1])[0];
  const all = { 'largest class': () => Number(largest), ...baselines };
  return Object.fromEntries(
    Object.entries(all).map(([name, answer]) => [name, byLength(lines.map((line) => [line.text, answer(line) === Number(line.label)]))]),
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const cache = process.env.HIDDEN_ATTENTION_CACHE ?? join(homedir(), '.cache/hidden-attention');
  const { values } = parseArgs({ options: { data: { type: 'string', default: join(cache, 'listops') } } });
  console.log(
    JSON.stringify(Object.fromEntries(['test', 'long'].map((part) => [part, baselineFigures(linesOf(values.data, part))])), null, 2),
  );
}
