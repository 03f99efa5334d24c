import { readFile } from 'node:fs/promises';
import { getExplainer, groupTokens } from '@hidden-attention/explain';
import { EvaluateError } from '../../errors.js';
import { getProtocol } from '../../registry.js';
import { random, rankerOf, type Ranker } from '../../ranker.js';
import { shuffled, randomFor, wholeBelow } from '../../random.js';
import { largestAt } from '../../ranking.js';
import { bootstrap, mean } from '../../statistics.js';
import { ChoiceCase, type Choices } from '../choice-case.js';
import type { Context } from '../context.js';
import type { Cell, ReproductionRow, Verdict } from '../row.js';
import { compared } from '../verdict.js';

/** Bytes of the context, at least, and of each choice. */
const [contextLength, choiceLength, choiceCount] = [128, 48, 4];

/** Questions out of running prose: whole sentences, and which of four sentences comes next; the three others stand elsewhere in the text. */
export function clozeQuestions(text: string, count: number, seed = 1): Choices[] {
  const sentences = [...new Intl.Segmenter('en', { granularity: 'sentence' }).segment(text.replace(/\s+/g, ' '))].map(
    ({ segment }) => segment,
  );
  const starts = [...sentences.keys()].filter((at) => sentences[at]!.length >= choiceLength && at > 0);
  const asked = shuffled(starts, randomFor('cloze', seed));
  const ids = (own: string): Int32Array => Int32Array.from(new TextEncoder().encode(own));
  const questions: Choices[] = [];
  for (const at of asked) {
    if (questions.length === count) break;
    let context = '';
    for (let before = at - 1; before >= 0 && context.length < contextLength; before--) context = sentences[before]! + context;
    context = context.slice(-contextLength);
    if (context.length < contextLength) continue;
    const draw = randomFor('cloze', seed, at);
    const others = new Set<number>();
    while (others.size < choiceCount - 1) {
      const other = starts[wholeBelow(draw, starts.length)]!;
      if (Math.abs(other - at) > 20) others.add(other);
    }
    const order = shuffled([at, ...others], draw);
    const tokens = [...context].map((letter, start) => ({ id: 0, text: letter, start, end: start + 1 }));
    questions.push({
      index: questions.length,
      context: ids(context),
      choices: order.map((sentence) => ids(sentences[sentence]!.slice(0, choiceLength))),
      right: order.indexOf(at),
      units: groupTokens(context, tokens, 'word', 'en').map((word) => word.tokens),
      unknown: 32,
      neutral: ids('. '),
    });
  }
  if (questions.length < count)
    throw new EvaluateError(`the text has sentences for ${questions.length} questions; ${count} were asked for`);
  return questions;
}

const methods = {
  'prose-mamba': ['mamba-attribution', 'mamba-attribution:released'],
  'prose-transformer': ['transformer-attribution'],
} as const;

type Record_ = Record<string, number>;

async function measured(
  context: Context,
  questions: readonly Choices[],
): Promise<{ found: Map<string, Record_[]>; right: Map<string, number[]> }> {
  const [activation, pruning] = [getProtocol('activation'), getProtocol('pruning')];
  const options = { explain: 'predicted', fill: 'unknown' };
  const found = new Map<string, Record_[]>();
  const right = new Map<string, number[]>();
  for (const [role, names] of Object.entries(methods)) {
    const loaded = await context.model(role);
    if (!loaded) continue;
    const { model } = loaded;
    const rankers: Ranker[] = [...names.map((name) => rankerOf(getExplainer(name), {}, name)), random];
    for (const ranker of rankers) {
      const records: Record_[] = [];
      for (const question of questions) {
        if (question.index % 20 === 0) context.step(`${role}, ${ranker.name}, question ${question.index} of ${questions.length}`);
        const item = new ChoiceCase(model, question, ranker, 1);
        records.push({ ...(await activation.measure(item, options)).values, ...(await pruning.measure(item, options)).values });
        if (ranker === random) right.set(role, [...(right.get(role) ?? []), largestAt(await item.logits()) === question.right ? 1 : 0]);
      }
      found.set(`${role}, ${ranker.name}`, records);
    }
    model.dispose();
  }
  return { found, right };
}

const figures = [
  ['AUAC', 'larger', '0.915 against 0.909'],
  ['AU-MSE', 'smaller', '1.765 against 1.832'],
] as const;

export const cloze: ReproductionRow = {
  id: 'E8',
  title: 'Multiple choice by a language model',
  item: 'Table 3',
  method: `In place of ARC-Easy: which of four sentences (their first ${choiceLength} bytes) goes on from ${contextLength} bytes of held-out prose, told by log p(choice | context) − log p(choice | “. ”); that “. ” was chosen among four contexts on 80 of these questions (right about 37; a line break 36, none 18). Words of the context are blanked and put back; maps are of the choice’s own tokens. Activation and pruning as in E9, the right choice’s share of four in place of a class’s probability.`,
  samples: 200,
  roles: Object.keys(methods),
  async run(context) {
    const file = context.textFile('prose');
    if (file === undefined) return { verdicts: [], tables: [], lacking: [] };
    const text = await readFile(file, 'utf8');
    const { found, right } = await measured(context, clozeQuestions(text, context.samples));
    const claim = (
      words: string,
      published: string,
      [figure, expected]: (typeof figures)[number],
      first: string,
      second: string,
    ): Verdict[] => {
      const [a, b] = [found.get(first), found.get(second)];
      if (!a || !b) return [];
      const of = (records: readonly Record_[]): number => mean(records.map((record) => record[figure]!));
      return [
        compared({
          claim: words,
          published,
          expected,
          first: { name: first, records: a },
          second: { name: second, records: b },
          figure: of,
        }),
      ];
    };
    const verdicts = figures.flatMap((figure) => [
      ...claim(
        `${figure[0]}: Mamba is ahead of a transformer of its size`,
        figure[2],
        figure,
        'prose-mamba, mamba-attribution',
        'prose-transformer, transformer-attribution',
      ),
      ...claim(`${figure[0]}: better than a random ranking`, '—', figure, 'prose-mamba, mamba-attribution', 'prose-mamba, random'),
      ...claim(
        `${figure[0]} of the released code’s map: better than a random ranking`,
        '—',
        figure,
        'prose-mamba, mamba-attribution:released',
        'prose-mamba, random',
      ),
    ]);
    const cells = (values: readonly number[]): Cell =>
      bootstrap(
        values.map((value) => [value]),
        mean,
      );
    return {
      verdicts,
      tables: [
        {
          title: 'Share of questions answered rightly; by chance 0.25',
          columns: ['right'],
          rows: [...right].map(([name, own]) => ({ name, cells: [cells(own)] })),
        },
        {
          title: 'Activation and pruning',
          columns: figures.map(([figure]) => figure),
          rows: [...found].map(([name, own]) => ({ name, cells: figures.map(([figure]) => cells(own.map((record) => record[figure]!))) })),
        },
      ],
      lacking: [],
    };
  },
};
