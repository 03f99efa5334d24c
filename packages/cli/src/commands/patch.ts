import { activationPatching, causalTracing, type PatchingResult, type TracingResult } from '@hidden-attention/explain';
import { requireTokenizer } from '@hidden-attention/checkpoint';
import { heatmap } from '@hidden-attention/plot';
import type { Command } from 'commander';
import { addAnswerFlags, checkAnswerFlags, readQuestions, type AnswerFlags } from '../answer.js';
import { nameOf, type Case } from '../cases.js';
import { UsageError } from '../errors.js';
import { findPositions, parsePositions } from '../positions.js';
import { parseNumber, parseRanges } from '../ranges.js';
import { writeResults } from '../results.js';

interface Flags extends AnswerFlags {
  corrupt?: string;
  subject?: string;
  sites: string;
  layers: string;
  window: string;
  samples: string;
  seed: string;
}

/** `patch`: where in the model an answer is carried, by putting values of one run into another. */
export function add(command: Command, program: Command): void {
  addAnswerFlags(command, (own) =>
    own
      .option('--corrupt <T>', 'another text of as many tokens: activation patching')
      .option('--subject <LIST>', 'positions whose embeddings get noise: causal tracing; 0,3-5, last, or text:WORDS')
      .option('--sites <LIST>', 'sites within a layer, separated by commas', 'output')
      .option('--layers <LIST>', 'layers such as 0,2-3, or all', 'all')
      .option('--window <N>', 'neighbouring layers that are put back together', '1')
      .option('--samples <N>', 'draws of the noise', '10')
      .option('--seed <S>', 'of the noise', '0'),
  ).action(async (flags: Flags) => {
    checkAnswerFlags(flags, flags.corrupt === undefined ? undefined : '--corrupt puts in another text');
    if ((flags.corrupt === undefined) === (flags.subject === undefined))
      throw new UsageError(
        `${flags.corrupt === undefined ? 'neither --corrupt nor --subject' : '--corrupt and --subject'} given; exactly one is needed`,
      );
    const subject = flags.subject === undefined ? undefined : parsePositions('--subject', flags.subject);
    const layers = parseRanges('--layers', flags.layers);
    const places = {
      sites: flags.sites.split(',').map((name) => name.trim()),
      window: parseNumber('--window', flags.window, { integer: true, minimum: 1 }),
      ...(layers ? { layers } : {}),
    };
    const samples = parseNumber('--samples', flags.samples, { integer: true, minimum: 1 });
    const seed = parseNumber('--seed', flags.seed, { integer: true });
    const { loaded, cases, targets } = await readQuestions(flags, program);
    const { model } = loaded;
    const results: Result[] = [];
    for (const [index, own] of cases.entries()) {
      const shared = { model, ...places, ...(targets[index] === undefined ? {} : { target: targets[index] }) };
      const found: PatchingResult | TracingResult = subject
        ? await causalTracing({ ...shared, input: own.input, subject: findPositions('--subject', subject, own), samples, seed })
        : await activationPatching({ ...shared, clean: own.input, corrupt: requireTokenizer(loaded).encode(flags.corrupt!).ids });
      results.push({ index, ...found, target: { id: found.target, label: nameOf(found.target, loaded) } });
    }
    await writeResults(flags, results, cases, { words, picture });
  });
}

type Result = Omit<PatchingResult, 'target'> & { index: number; target: { id: number; label: string } };

function words({ index, target, clean, corrupt, sites }: Result, { labels }: Case): string {
  const lines = sites.flatMap(({ site, layers }) => {
    const all = layers.flatMap(({ layer, scores }) => scores.map((score, at) => ({ layer, score, at })));
    return all
      .toSorted((a, b) => b.score - a.score)
      .slice(0, 5)
      .map(
        ({ layer, score, at }) =>
          `  ${`layer ${layer} ${site}`.padEnd(20)}${JSON.stringify(labels[at]!)} (position ${at}): ${score.toFixed(3)}`,
      );
  });
  return `row ${index}: ${target.label}, clean ${clean.toPrecision(4)}, corrupt ${corrupt.toPrecision(4)}; put back, most at\n${lines.join('\n')}\n`;
}

function picture({ target, sites }: Result, { labels }: Case): string {
  const [{ site, layers }] = sites as [Result['sites'][number]];
  return heatmap({
    values: layers.flatMap(({ scores }) => scores),
    rows: layers.length,
    columns: labels.length,
    signed: true,
    title: `Where ${target.label} comes back: ${site}`,
    rowTitle: 'layer',
    columnTitle: 'position',
    rowLabels: layers.map(({ layer }) => String(layer)),
    columnLabels: labels,
  });
}
