import { attentionView, effectiveReceptiveField } from '@hidden-attention/attention';
import type { LoadedModel } from '@hidden-attention/checkpoint';
import { batchOfImages, logitLens, stateLens, type LogitLens, type StateReading } from '@hidden-attention/explain';
import { curves, heatmap } from '@hidden-attention/plot';
import { Option, type Command } from 'commander';
import { addAnswerFlags, checkAnswerFlags, readQuestions, type AnswerFlags } from '../answer.js';
import { nameOf, percent, type Case } from '../cases.js';
import { parseNumber, parsePosition } from '../ranges.js';
import { writeResults } from '../results.js';

interface Flags extends AnswerFlags {
  of: 'logits' | 'state' | 'distance';
  position?: string;
  top: string;
}

/** What a lens shows of one row: for JSON, for people, and as a picture. */
interface Shown {
  result: object;
  words: string;
  picture: () => string;
}

/** `lens`: what the model holds on its way to the answer. */
export function add(command: Command, program: Command): void {
  addAnswerFlags(command, (own) =>
    own
      .addOption(
        new Option(
          '--of <WHAT>',
          'the answer after each layer; what each state holds of each token; the mean distance that attention spans',
        )
          .choices(['logits', 'state', 'distance'])
          .default('logits'),
      )
      .option('--position <P>', 'of text: where to look, negative from the end; default: logits everywhere, else the last')
      .option('--top <K>', 'answers to name', '5'),
  ).action(async (flags: Flags) => {
    checkAnswerFlags(flags, flags.of === 'state' ? '--of state looks at what is carried from token to token' : undefined);
    const position = flags.position === undefined ? undefined : parsePosition('--position', flags.position);
    const k = parseNumber('--top', flags.top, { integer: true, minimum: 1 });
    const { loaded, cases, targets } = await readQuestions(flags, program);
    const shown: Shown[] = [];
    for (const [index, own] of cases.entries())
      shown.push(await lenses[flags.of]({ loaded, own, index, position, k, target: targets[index] }));
    await writeResults(
      flags,
      shown.map(({ result }) => result),
      shown,
      { words: (_, own) => own.words, picture: (_, own) => own.picture() },
    );
  });
}

interface Look {
  loaded: LoadedModel;
  own: Case;
  index: number;
  position: number | undefined;
  k: number;
  target: number | undefined;
}

const lenses: Record<Flags['of'], (look: Look) => Promise<Shown>> = {
  logits: throughLogits,
  state: throughState,
  distance: throughDistance,
};

async function throughLogits({ loaded, own, index, position, k, target }: Look): Promise<Shown> {
  const { model } = loaded;
  const lens: LogitLens = await logitLens({
    model,
    input: own.input,
    k,
    ...(target === undefined ? {} : { target }),
    ...(position === undefined ? {} : { positions: [position] }),
  });
  const named = lens.layers.map((readings) =>
    readings.map(({ top, ...rest }) => ({
      ...rest,
      top: top.map(({ id, probability }) => ({ id, label: nameOf(id, loaded), probability })),
    })),
  );
  const label = nameOf(lens.target, loaded);
  const lines = named.map((readings, depth) => {
    const { top, target: of } = readings.at(-1)!;
    const answers = top.map((one) => `${one.label} ${percent(one.probability)}`).join('  ');
    return (
      `  ${depth === 0 ? 'embeddings' : `layer ${depth - 1}`}`.padEnd(14) +
      `${answers}   (${label}: place ${of.rank}, ${percent(of.probability)})`
    );
  });
  const columns = lens.layers[0]!.length;
  return {
    result: { index, target: { id: lens.target, label }, layers: named },
    words: `row ${index}: after each layer, at ${named[0]!.at(-1)!.position === null ? 'the whole input' : `position ${named[0]!.at(-1)!.position}`}\n${lines.join('\n')}\n`,
    picture: () =>
      heatmap({
        values: lens.layers.flatMap((readings) => readings.map(({ target: of }) => of.probability)),
        rows: lens.layers.length,
        columns,
        signed: false,
        limit: 1,
        title: `Probability of ${label} after each layer`,
        rowTitle: 'layers run',
        columnTitle: 'position',
        ...(columns === own.length ? { columnLabels: own.labels } : {}),
      }),
  };
}

async function throughState({ loaded, own, index, position }: Look): Promise<Shown> {
  const readings: StateReading[] = await stateLens({
    model: loaded.model,
    ids: own.input as ArrayLike<number>,
    ...(position === undefined ? {} : { position }),
  });
  const length = readings[0]!.remaining.length;
  const lines = readings.map(({ layer, remaining, share, halfLife }) => {
    const order = [...share.keys()].toSorted((a, b) => share[b]! - share[a]!).slice(0, 5);
    const left = (at: number): string => {
      const half = halfLife?.[at] ?? undefined;
      return `${percent(remaining[at]!)} left${half === undefined ? '' : `, half after ${half}`}`;
    };
    return (
      `  layer ${layer}`.padEnd(12) +
      order.map((at) => `${JSON.stringify(own.labels[at]!)} ${percent(share[at]!)} (${left(at)})`).join('  ')
    );
  });
  const result = readings.map(({ remaining, share, ...rest }) => ({ ...rest, remaining: [...remaining], share: [...share] }));
  return {
    result: { index, position: length - 1, layers: result },
    words: `row ${index}: what the states hold after position ${length - 1}\n${lines.join('\n')}\n`,
    picture: () =>
      heatmap({
        values: readings.flatMap(({ remaining }) => [...remaining]),
        rows: readings.length,
        columns: length,
        signed: false,
        limit: 1,
        title: 'What is left of each token in the states',
        rowTitle: 'layer',
        columnTitle: 'token',
        rowLabels: readings.map(({ layer }) => String(layer)),
        columnLabels: own.labels.slice(0, length),
      }),
  };
}

async function throughDistance({ loaded, own, index, position }: Look): Promise<Shown> {
  const { model } = loaded;
  const batch = 'pixels' in own.input ? batchOfImages(model, [own.input]) : model.batch([own.input]);
  using view = await attentionView(model, batch);
  const { layers, mean } = await effectiveReceptiveField(view, position === undefined ? {} : { position });
  const distances = layers.map(([distance]) => distance!);
  return {
    result: { index, layers: distances, mean: mean[0]! },
    words: `row ${index}: attention spans ${mean[0]!.toFixed(1)} positions on average\n${distances.map((distance, layer) => `  layer ${layer}`.padEnd(12) + distance.toFixed(1)).join('\n')}\n`,
    picture: () =>
      curves({
        series: [{ name: 'mean distance', x: distances.map((_, layer) => layer), y: distances }],
        title: 'How far back the last position reads',
        xLabel: 'layer',
        yLabel: 'positions',
      }),
  };
}
