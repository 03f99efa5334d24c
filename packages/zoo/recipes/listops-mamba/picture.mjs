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
const DECISIVE = '#c2410c';
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
  const inner = strip.replace('<svg ', `<svg x="0" y="${top + 6}" `);
  const sums = folded(scores.map(Math.abs), operands);
  const total = sums.reduce((sum, value) => sum + value, 0) || 1;
  const bars = operands.map(([from, to], operand) => {
    const x = MARGIN + tokens[from].start * ADVANCE;
    const width = (tokens[to - 1].end - tokens[from].start) * ADVANCE;
    const share = sums[operand] / total;
    const decisive = operand === decides;
    const color = decisive ? DECISIVE : '#8b949e';
    const bar = `<rect x="${x}" y="${top + 46}" width="${width}" height="4" fill="#eceef0"/><rect x="${x}" y="${top + 46}" width="${width * share}" height="4" fill="${color}"/>`;
    const words = `${(100 * share).toFixed(0)} %`;
    const frame = `<rect x="${x - 3}" y="${top + 15}" width="${width + 6}" height="54" fill="none" stroke="${DECISIVE}" stroke-dasharray="3 3" rx="4"/>`;
    // one symbol has no room for words
    const label = to - from > 1 || decisive ? text(x, top + 63, words, `font-size="11" fill="${decisive ? color : QUIET}"`) : '';
    return bar + label + (decisive ? frame : '');
  });
  return inner + bars.join('') + text(MARGIN, top + 10, title, `font-size="12" font-weight="600" fill="${INK}"`);
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
  const width = Math.ceil(Math.max(600, 2 * MARGIN + columns * ADVANCE));
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
  const words = text(
    MARGIN,
    top + 10,
    `The value is ${line.label}, by the framed operand alone. Bars: each operand’s share of Σ|score|.`,
    `font-size="12" fill="${QUIET}"`,
  );
  const height = top + 22;
  await writeWhole(
    positionals[0],
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" font-family="system-ui, Helvetica, Arial, DejaVu Sans, sans-serif"><title>Maps of ${line.text}</title><rect width="${width}" height="${height}" fill="#ffffff"/>${parts.join('')}${words}</svg>\n`,
  );
  process.exit(0);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
