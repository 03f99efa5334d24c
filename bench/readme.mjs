// Three ratios of a whole run on the README's first screen: written by `npm run bench` at its end, or by node bench/readme.mjs.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { root } from './models.mjs';

const begin = '<!-- three ratios: written by bench/readme.mjs -->';
const end = '<!-- end of three ratios -->';

/** The sentence that some results give; throws where one of the three was not measured. */
export function sentence({ about, again = [], sections }) {
  const find = (section, part) => {
    const row = sections[section]?.find?.(({ work, value }) => work.includes(part) && value !== undefined);
    if (!row) throw new Error(`the results have no "${part}" beside a peer`);
    return row;
  };
  const ratio = (row) => (row.value >= 10 ? Math.round(row.value).toLocaleString('en') : row.value.toFixed(1));
  const scan = find('scan', 'fused scan');
  const prompt = find('prefill', 'last logits of 2048 tokens, f32');
  const decoding = find('decode', 'decoding one sequence, bf16');
  const dates = ['scan', 'prefill', 'decode'].map((name) => again.findLast(({ lines }) => lines.includes(name))?.date ?? about.date);
  return (
    `Without a GPU, on ${about.threads} threads (${about.processor}, ${[...new Set(dates)].sort().join(' and ')}): the scan takes 1/${ratio(scan)} of the time of PyTorch's plain loop, a prompt of 2,048 tokens is read ` +
    `${ratio(prompt)} times and a token in bf16 written ${ratio(decoding)} times as fast as by llama.cpp (${prompt.peer.who.split(' ')[0]}; mamba-130m). ` +
    '`npm run bench` measures it again, see [Benchmarks](docs/benchmarks/README.md).'
  );
}

export function writeReadme(results) {
  const path = join(root, 'README.md');
  const text = readFileSync(path, 'utf8');
  const [before, rest] = text.split(begin);
  writeFileSync(path, `${before}${begin}\n\n${sentence(results)}\n\n${end}${rest.split(end)[1]}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  writeReadme(JSON.parse(readFileSync(join(root, 'docs/benchmarks/results.json'), 'utf8')));
