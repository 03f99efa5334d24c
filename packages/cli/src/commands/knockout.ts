import { knockoutWindows, type WindowEffect } from '@hidden-attention/explain';
import { curves } from '@hidden-attention/plot';
import { Option, type Command } from 'commander';
import { addAnswerFlags, checkAnswerFlags, readQuestions, type AnswerFlags } from '../answer.js';
import { nameOf, percent, type Case } from '../cases.js';
import { findPositions, parsePositions, type PositionList } from '../positions.js';
import { parseNumber, parseRanges } from '../ranges.js';
import { writeResults } from '../results.js';

interface Flags extends AnswerFlags {
  from: string;
  to?: string;
  layers: string;
  window?: string;
  channels?: string;
  direction?: 'forward' | 'backward';
}

/** `knockout`: the answer when some positions cannot read some others through attention. */
export function add(command: Command, program: Command): void {
  addAnswerFlags(command, (own) =>
    own
      .requiredOption('--from <LIST>', 'positions that are no longer read: 0,3-5,-2, last, or text:WORDS')
      .option('--to <LIST>', 'positions that no longer read them; default: all others')
      .option('--layers <LIST>', 'layers such as 0,2-3, or all', 'all')
      .option('--window <N>', 'layers that are cut together, sliding over the depth; default: all at once')
      .option('--channels <LIST>', 'slow, fast (the third of the channels that decays most slowly, or fastest), or numbers such as 0-7')
      .addOption(new Option('--direction <WAY>', 'of layers that read both ways: one direction').choices(['forward', 'backward'])),
  ).action(async (flags: Flags) => {
    checkAnswerFlags(flags);
    const [from, to] = [parsePositions('--from', flags.from), flags.to === undefined ? undefined : parsePositions('--to', flags.to)];
    const wanted = parseRanges('--layers', flags.layers);
    const window = flags.window === undefined ? undefined : parseNumber('--window', flags.window, { integer: true, minimum: 1 });
    const channels = channelsOf(flags.channels);
    const { loaded, cases, targets } = await readQuestions(flags, program);
    const { model } = loaded;
    const layers = wanted ?? Array.from({ length: model.config.layers }, (_, layer) => layer);
    const results: Result[] = [];
    for (const [index, own] of cases.entries()) {
      const edges = edgesOf(own, from, to);
      const { target, windows } = await knockoutWindows({
        model,
        input: own.input,
        ...(targets[index] === undefined ? {} : { target: targets[index] }),
        edges: [edges],
        layers,
        width: window ?? layers.length,
        ...(channels ? { channels } : {}),
        ...(flags.direction ? { direction: flags.direction } : {}),
      });
      results.push({ index, target: { id: target, label: nameOf(target, loaded) }, ...edges, windows });
    }
    await writeResults(flags, results, cases, { words, picture });
  });
}

interface Result {
  index: number;
  target: { id: number; label: string };
  from: number[];
  to: number[];
  windows: WindowEffect[];
}

function channelsOf(text: string | undefined): 'slow' | 'fast' | number[] | undefined {
  if (text === undefined || text === 'slow' || text === 'fast') return text;
  return parseRanges('--channels', text);
}

/** Without --to: every position that is not itself cut off. */
function edgesOf(own: Case, from: PositionList, to: PositionList | undefined): { from: number[]; to: number[] } {
  const inputs = findPositions('--from', from, own);
  const all = Array.from({ length: own.length }, (_, at) => at);
  return { from: inputs, to: to ? findPositions('--to', to, own) : all.filter((at) => !inputs.includes(at)) };
}

function words({ index, target, from, windows }: Result, { labels }: Case): string {
  const cut = from.map((at) => JSON.stringify(labels[at]!)).join(' ');
  const lines = windows.map(({ layers, probability, logit, relative }) => {
    const where = layers.length === 1 ? `layer ${layers[0]}` : `layers ${layers[0]}–${layers.at(-1)}`;
    return `  ${where.padEnd(14)}probability ${percent(probability.before)} → ${percent(probability.after)} (${relative > 0 ? '+' : ''}${percent(relative)})   logit ${logit.before.toFixed(3)} → ${logit.after.toFixed(3)}`;
  });
  return `row ${index}: ${target.label}, with ${cut} not read\n${lines.join('\n')}\n`;
}

function picture({ target, windows }: Result): string {
  const x = windows.map(({ layers }) => (layers[0]! + layers.at(-1)!) / 2);
  return curves({
    series: [{ name: `change of the probability of ${target.label}`, x, y: windows.map(({ relative }) => relative) }],
    title: `What cutting attention does to ${target.label}`,
    xLabel: 'layer (the middle of those that are cut)',
    yLabel: 'relative change of the probability',
  });
}
