// One expression, its maps by several models, symbol by symbol and folded to the operands of the outermost operation, the deciding one framed:
//   node packages/zoo/recipes/listops-mamba/picture.mjs OUT.svg [--line N] [--data FILE] [--models A,B] [--methods X,Y]
// N: which line of the test file.
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { loadModel } from '@hidden-attention/checkpoint';
import { createRequire } from 'node:module';
import { writeWhole } from '../files.mjs';
import { folded } from './measure.mjs';

const FONT = 13;
const ADVANCE = 0.6 * FONT;
const INK = '#1f2328';
const QUIET = '#59636e';
const MARGIN = 12;

const text = (x, y, content, style = '') => `<text x="${x}" y="${y}" ${style}>${content}</text>`;

/** The strip of a map as a part of the picture, and below it a bar for each operand: its share of Σ|score|. */
function mapRow({ title, scores, signed }, { list, operands, decides }, top, { tokenStrip, columns }) {
  let at = 0;
  const tokens = list.map((symbol) => {
    const token = { text: symbol, start: at, end: at + symbol.length };
    at += symbol.length + 1;
    return token;
  });
  const strip = tokenStrip({ text: list.join(' '), tokens, scores, signed }, { columns, fontSize: FONT, title });
  const inner = strip.replace('<svg ', `<svg x="0" y="${top + 8}" `);
  const sums = folded(scores.map(Math.abs), operands);
  const total = sums.reduce((sum, value) => sum + value, 0) || 1;
  const bars = operands.map(([from, to], operand) => {
    const x = MARGIN + tokens[from].start * ADVANCE;
    const width = (tokens[to - 1].end - tokens[from].start) * ADVANCE;
    const share = sums[operand] / total;
    const color = operand === decides ? '#c2410c' : '#8b949e';
    const bar = `<rect x="${x}" y="${top + 48}" width="${width}" height="4" fill="#eceef0"/><rect x="${x}" y="${top + 48}" width="${width * share}" height="4" fill="${color}"/>`;
    const words = `${(100 * share).toFixed(0)} %`;
    return bar + text(x, top + 65, words, `font-size="11" fill="${operand === decides ? color : QUIET}"`);
  });
  return text(MARGIN, top + 10, title, `font-size="12" font-weight="600" fill="${INK}"`) + inner + bars.join('');
}

async function main() {
  const cache = process.env.HIDDEN_ATTENTION_CACHE ?? join(homedir(), '.cache/hidden-attention');
  const option = (value) => ({ type: 'string', default: value });
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: {
      line: option('0'),
      data: option(join(cache, 'listops/test.jsonl')),
      models: option('listops-mamba,listops-transformer'),
      methods: option('raw,mambalrp,occlusion'),
    },
  });
  const require = createRequire(new URL('../../../cli/package.json', import.meta.url));
  const { explain } = await import(require.resolve('@hidden-attention/explain'));
  const { tokenStrip } = await import(require.resolve('@hidden-attention/plot'));
  const line = JSON.parse(readFileSync(values.data, 'utf8').split('\n')[Number(values.line)]);
  const list = line.text.split(' ');
  const columns = line.text.length;
  const width = 2 * MARGIN + columns * ADVANCE;
  const parts = [];
  let top = MARGIN;
  for (const name of values.models.split(',')) {
    const { model, tokenizer } = await loadModel(fileURLToPath(new URL(`../../models/${name}`, import.meta.url)));
    const methods = values.methods.split(',');
    const [{ target, maps }] = await explain({ model, tokenizer, input: line.text, methods, check: false });
    const answer = `zoo:${name} answers ${target.label} (${(100 * target.probability).toFixed(0)} %)`;
    parts.push(text(MARGIN, top + 16, answer, `font-size="15" font-weight="600" fill="${INK}"`));
    top += 30;
    for (const map of maps) {
      parts.push(mapRow(map, { ...line, list }, top, { tokenStrip, columns }));
      top += 78;
    }
    top += 8;
  }
  const { operands, decides } = line;
  const starts = list.map((_, at) => list.slice(0, at).join(' ').length + (at > 0 ? 1 : 0));
  const [from, to] = operands[decides];
  const frame = `<rect x="${MARGIN + starts[from] * ADVANCE - 3}" y="34" width="${(starts[to - 1] + list[to - 1].length - starts[from]) * ADVANCE + 6}" height="${top - 40}" fill="none" stroke="#c2410c" stroke-dasharray="3 3" rx="4"/>`;
  const words = text(
    MARGIN,
    top + 10,
    `The value is ${line.label}, by the framed operand alone. Bars and shares: Σ|score| of each operand.`,
    `font-size="12" fill="${QUIET}"`,
  );
  const height = top + 22;
  await writeWhole(
    positionals[0],
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" font-family="system-ui, Helvetica, Arial, DejaVu Sans, sans-serif"><title>Maps of ${line.text}</title><rect width="${width}" height="${height}" fill="#ffffff"/>${parts.join('')}${frame}${words}</svg>\n`,
  );
  process.exit(0);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
