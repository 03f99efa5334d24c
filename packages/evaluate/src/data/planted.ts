import * as z from '@hidden-attention/model/schema';
import { EvaluateError } from '../errors.js';
import type { DataSet } from '../example.js';
import { randomFor, shuffled, wholeBelow } from '../random.js';
import { checkReads, spread } from './choose.js';
import { defineData, type DataKind } from './kind.js';
import { readLabelledTexts, textExamples, textOptions, type LabelledText, type TextOptions } from './labelled-text.js';

interface Options extends TextOptions {
  path: string;
  count?: number | undefined;
  seed: number;
  phrases: Record<string, string[]>;
  from?: string | undefined;
}

/**
 * Plants a phrase that stands for a label into texts, between two of their lines or sentences: what then makes a model give that label
 * is known. Only texts of another label are taken (`from`, or any other), so that the phrase is what speaks for the new one.
 */
export function planted(
  texts: readonly LabelledText[],
  { phrases, from, seed, length }: Pick<Options, 'phrases' | 'from' | 'seed' | 'length'>,
): LabelledText[] {
  const labels = Object.keys(phrases);
  return texts.flatMap((own, index) => {
    const random = randomFor('planted', seed, index);
    const [label] = shuffled(
      labels.filter((other) => other !== own.label && (from === undefined || own.label === from)),
      random,
    );
    if (label === undefined) return [];
    const choice = phrases[label]!;
    const phrase = choice[wholeBelow(random, choice.length)]!;
    const body = own.text.slice(0, Math.max(0, length - phrase.length - 2));
    const places = [...body.matchAll(/[\n.!?]\s+/g)].map((match) => match.index + match[0].length).filter((at) => at < body.length);
    const at = places.length > 0 ? places[wholeBelow(random, places.length)]! : body.length;
    const lead = at === body.length && !/\s$/.test(body) ? '\n' : '';
    const start = at + lead.length;
    return [
      { text: `${body.slice(0, at)}${lead}${phrase}\n${body.slice(at)}`, label, rationale: [[start, start + phrase.length]] as const },
    ];
  });
}

export const plantedText: DataKind<Options> = defineData({
  name: 'planted-text',
  summary: 'labelled texts with a phrase planted in them that stands for another label: the rationale is then known',
  options: () =>
    z.strictObject({
      path: z.string().min(1),
      count: z.number().int().positive().optional(),
      seed: z.number().int().min(0).default(0),
      phrases: z.record(z.string(), z.array(z.string().min(1)).min(1)),
      from: z.string().optional(),
      ...textOptions(),
    }),
  async open({ path, count, ...options }, loaded, { name, resolve }): Promise<DataSet> {
    checkReads(loaded, 'text', name);
    const all = planted(await readLabelledTexts(resolve(path)), options);
    if (all.length === 0)
      throw new EvaluateError(`"${name}": ${path} has no text of another label than ${Object.keys(options.phrases).join(', ')}`);
    const texts = spread(all.length, count).map((at) => all[at]!);
    return { name, kind: 'text', examples: await textExamples(texts, loaded, name, options) };
  },
});
