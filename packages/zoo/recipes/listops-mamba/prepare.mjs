// Expressions for zoo:listops-mamba: train, test (up to 500 symbols) and long.jsonl (1,600 to 2,000), one {"text","label",…} a line, and tokenizer.json.
// usage: node prepare.mjs [--out FOLDER] [--train COUNT] [--test COUNT]
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { main, outputFolder, writeWhole } from '../files.mjs';
import { expressions, symbols } from './expressions.mjs';

/** What is written of each part: sizes in symbols. */
export const PARTS = {
  train: { seed: 'listops-1/train', from: 5, to: 500, short: 2 },
  test: { seed: 'listops-1/test', from: 5, to: 500 },
  long: { seed: 'listops-2/long', from: 1600, to: 2000, evenDepths: true },
};

/** A tokenizer.json whose tokens are the symbols, with white space between them. */
export const tokenizerJson = {
  version: '1.0',
  truncation: null,
  padding: null,
  added_tokens: [],
  normalizer: null,
  pre_tokenizer: { type: 'WhitespaceSplit' },
  post_processor: null,
  decoder: null,
  model: { type: 'WordLevel', vocab: Object.fromEntries(symbols.map((symbol, id) => [symbol, id])), unk_token: ']' },
};

/** A line of a part: the operands of the outermost operation and the deciding one by number, where there is one, and the deciding digit. */
export const lineOf = ({ symbols: own, value, operands, decides, digit }) =>
  JSON.stringify({ text: own.join(' '), label: String(value), operands, decides, digit });

async function prepare() {
  const text = (value) => ({ type: 'string', default: value });
  const { values } = parseArgs({ options: { out: text(outputFolder('listops')), train: text('60000'), test: text('2000') } });
  const counts = { train: Number(values.train), test: Number(values.test), long: Math.ceil(Number(values.test) / 4) };
  const report = { out: values.out };
  await writeWhole(join(values.out, 'tokenizer.json'), `${JSON.stringify(tokenizerJson, null, 2)}\n`);
  for (const [part, options] of Object.entries(PARTS)) {
    const all = [...expressions({ ...options, count: counts[part] })];
    const content = `${all.map((one) => (part === 'train' ? JSON.stringify({ text: one.symbols.join(' '), label: String(one.value) }) : lineOf(one))).join('\n')}\n`;
    await writeWhole(join(values.out, `${part}.jsonl`), content);
    const lengths = all.map((one) => one.symbols.length).sort((a, b) => a - b);
    const baseline = Math.max(...topOperatorCounts(all));
    report[part] = {
      expressions: all.length,
      symbols: [lengths[0], lengths[lengths.length >> 1], lengths.at(-1)].join(' '),
      unique: all.filter(({ decides }) => decides !== undefined).length,
      largestClass: baseline,
      sha256: createHash('sha256').update(content).digest('hex'),
    };
  }
  console.log(JSON.stringify(report, null, 2));
}

/** How many expressions have each value. */
function topOperatorCounts(all) {
  const counts = Array(10).fill(0);
  for (const { value } of all) counts[value]++;
  return counts;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(prepare);
