import { pruneTokens, type PruningResult } from '@hidden-attention/explain';
import { heatmap } from '@hidden-attention/plot';
import type { Command } from 'commander';
import { addAnswerFlags, checkAnswerFlags, readQuestions, type AnswerFlags } from '../answer.js';
import { nameOf, percent, type Case } from '../cases.js';
import { parseNumber, parseRanges } from '../ranges.js';
import { writeResults } from '../results.js';

interface Flags extends AnswerFlags {
  layers?: string;
  keep: string;
  decay: string;
  minimum: string;
}

/** `prune`: the answer when some layers drop the tokens for which their states take the smallest steps. */
export function add(command: Command, program: Command): void {
  addAnswerFlags(command, (own) =>
    own
      .option('--layers <LIST>', 'the layers in which tokens are dropped, such as 2 or 2,5, or all; default: the middle one')
      .option('--keep <N>', 'tokens that the first of these layers keeps', '2000')
      .option('--decay <R>', 'what of that each later one keeps', '0.5')
      .option('--minimum <N>', 'tokens that are kept at least', '20'),
  ).action(async (flags: Flags) => {
    checkAnswerFlags(flags, 'prune drops tokens of a text');
    const wanted = flags.layers === undefined ? undefined : parseRanges('--layers', flags.layers);
    const keep = parseNumber('--keep', flags.keep, { integer: true, minimum: 1 });
    const decay = parseNumber('--decay', flags.decay, { minimum: 0 });
    const minimum = parseNumber('--minimum', flags.minimum, { integer: true, minimum: 1 });
    const { loaded, cases, targets } = await readQuestions(flags, program);
    const { model } = loaded;
    const all = Array.from({ length: model.config.layers }, (_, layer) => layer);
    const layers = wanted ?? (flags.layers === undefined ? [Math.floor(model.config.layers / 2)] : all);
    const results: Result[] = [];
    for (const [index, own] of cases.entries()) {
      const target = targets[index];
      const found = await pruneTokens({
        model,
        ids: own.input as ArrayLike<number>,
        layers,
        keep,
        decay,
        minimum,
        ...(target === undefined ? {} : { target }),
      });
      results.push({ index, ...found, target: { id: found.target, label: nameOf(found.target, loaded) } });
    }
    await writeResults(flags, results, cases, { words, picture });
  });
}

type Result = Omit<PruningResult, 'target'> & { index: number; target: { id: number; label: string } };

function words({ index, target, probability, logit, kept }: Result, { length }: Case): string {
  const lines = kept.map(({ layer, positions }) => `  layer ${layer} keeps ${positions.length} of ${length} tokens\n`);
  return `row ${index}: ${target.label}, probability ${percent(probability.before)} → ${percent(probability.after)}   logit ${logit.before.toFixed(3)} → ${logit.after.toFixed(3)}\n${lines.join('')}`;
}

/** Which tokens each of the layers keeps. */
function picture({ target, kept }: Result, { labels, length }: Case): string {
  return heatmap({
    values: kept.flatMap(({ positions }) => {
      const left = new Set(positions);
      return labels.map((_, at) => Number(left.has(at)));
    }),
    rows: kept.length,
    columns: length,
    signed: false,
    limit: 1,
    title: `Tokens that are left: ${target.label}`,
    rowTitle: 'layer',
    columnTitle: 'token',
    rowLabels: kept.map(({ layer }) => String(layer)),
    columnLabels: labels,
  });
}
