import * as z from '@hidden-attention/model/schema';
import { EvaluateError } from '../errors.js';
import type { DataSet, Example, Query } from '../example.js';
import { taskTexts } from '../tasks/registry.js';
import { checkReads } from './choose.js';
import { defineData, type DataKind } from './kind.js';

interface Options {
  task: string;
  count: number;
  seed: number;
  unknown: string;
}

/** Held-out texts of a task whose answers come from known places. The last character is explained; every character is a query. */
export const knownAnswer: DataKind<Options> = defineData({
  name: 'known-answer',
  summary:
    'texts that are drawn, in which it is known where each answer comes from: induction, copy, selective-copy, recall, needle, count-in-row',
  options: () =>
    z.strictObject({
      task: z.string().min(1),
      count: z.number().int().positive().default(200),
      seed: z.number().int().min(0).default(0),
      unknown: z.string().length(1).default('.'),
    }),
  async open({ task, count, seed, unknown }, loaded, { name }): Promise<DataSet> {
    checkReads(loaded, 'text', name);
    const drawn = taskTexts(task, 'held-out', count, seed);
    const { requireTokenizer } = await import('@hidden-attention/checkpoint');
    const tokenizer = requireTokenizer(loaded);
    const idsOf = (text: string): number[] => {
      const { ids } = tokenizer.encode(text, { around: false });
      if (ids.length !== text.length)
        throw new EvaluateError(`"${name}" needs a tokenizer with one token a character; ${text.length} became ${ids.length}`);
      return ids;
    };
    const examples = drawn.map(({ prompt, completion, sources, earlier = [] }, index): Example => {
      const text = prompt + completion;
      const ids = idsOf(text);
      const queries: Query[] = [
        ...earlier.map(({ position, sure, possible }) => ({
          position,
          label: ids[position + 1]!,
          sources: sure,
          ...(possible ? { possible } : {}),
        })),
        ...sources.map(({ sure, possible }, i) => ({
          position: prompt.length - 1 + i,
          label: ids[prompt.length + i]!,
          sources: sure,
          ...(possible ? { possible } : {}),
        })),
      ];
      return {
        index,
        ids: Int32Array.from(ids.slice(0, -1)),
        text: text.slice(0, -1),
        label: ids.at(-1)!,
        spans: [...text.slice(0, -1)].map((_, at) => [at, at + 1] as const),
        rationale: queries.at(-1)!.sources,
        unknown: idsOf(unknown)[0]!,
        queries,
      };
    });
    return { name, kind: 'text', examples };
  },
});
