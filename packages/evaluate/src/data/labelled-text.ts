import { readFile } from 'node:fs/promises';
import type { LoadedModel } from '@hidden-attention/checkpoint';
import { groupTokens } from '@hidden-attention/explain';
import * as z from '@hidden-attention/model/schema';
import { EvaluateError } from '../errors.js';
import type { DataSet, Example } from '../example.js';
import { checkReads, labelsOf, spread } from './choose.js';
import { defineData, type DataKind } from './kind.js';

/** A text of a classifier and what is known about it. */
export interface LabelledText {
  text: string;
  label: string;
  /** parts of the text that the label rests on: UTF-16 offsets, end exclusive */
  rationale?: readonly (readonly [start: number, end: number])[] | undefined;
}

/** How texts become examples. */
export interface TextOptions {
  /** tokens of a text that are read; the rest is cut off */
  length: number;
  unit: 'word' | 'token';
  /** an id to put in place of what is removed; default: that of a space, or of `<unk>` */
  unknown?: number | undefined;
}

export const textOptions = (): {
  length: z.ZodDefault<z.ZodNumber>;
  unit: z.ZodDefault<z.ZodEnum<{ word: 'word'; token: 'token' }>>;
  unknown: z.ZodOptional<z.ZodNumber>;
} => ({
  length: z.number().int().positive().default(512),
  unit: z.enum(['word', 'token']).default('word'),
  unknown: z.number().int().min(0).optional(),
});

const line = z.once(() =>
  z.object({
    text: z.string().min(1),
    label: z.string(),
    rationale: z.array(z.tuple([z.number().int().min(0), z.number().int().min(0)])).optional(),
  }),
);

/** JSON lines {"text", "label"}, with "rationale", a list of [start, end], where it is known what the label rests on. */
export async function readLabelledTexts(path: string): Promise<LabelledText[]> {
  const content = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new EvaluateError(`${path} cannot be read: ${error.code === 'ENOENT' ? 'there is no such file' : error.message}`);
  });
  return content
    .split('\n')
    .map((text, index) => ({ text, index }))
    .filter(({ text }) => text.trim() !== '')
    .map(({ text, index }) => {
      const parsed = line().safeParse(jsonOf(text, `${path}:${index + 1}`));
      if (parsed.success) return parsed.data;
      const [issue] = parsed.error.issues;
      throw new EvaluateError(
        `${path}:${index + 1}: ${issue!.path.join('.') || 'the line'}: ${issue!.message}; a line is {"text": "…", "label": "…"}`,
      );
    });
}

function jsonOf(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new EvaluateError(`${where} is not JSON: ${(error as Error).message}`);
  }
}

/** Texts as examples of a classifier. @throws EvaluateError for a label that the model has not */
export async function textExamples(
  texts: readonly LabelledText[],
  loaded: LoadedModel,
  name: string,
  options: TextOptions,
): Promise<Example[]> {
  const { requireTokenizer } = await import('@hidden-attention/checkpoint');
  const labels = labelsOf(loaded, name);
  const tokenizer = requireTokenizer(loaded);
  const unknown = options.unknown ?? unknownOf(loaded);
  return texts.map(({ text, label, rationale }, index) => {
    const known = labels.indexOf(label);
    if (known < 0) throw new EvaluateError(`text ${index} of "${name}" has the label "${label}"; the model has ${labels.join(', ')}`);
    const encoded = tokenizer.encode(text);
    const ids = Int32Array.from(encoded.ids.slice(0, options.length));
    const offsets = encoded.offsets.slice(0, options.length);
    const end = offsets.at(-1)?.[1] ?? 0;
    const tokens = offsets.map(([start, stop], at) => ({ id: ids[at]!, text: text.slice(start, stop), start, end: stop }));
    const words = options.unit === 'word' ? groupTokens(text.slice(0, end), tokens, 'word', 'en') : undefined;
    return {
      index,
      ids,
      text: text.slice(0, end),
      label: known,
      ...(words
        ? { units: words.map((word) => word.tokens), spans: words.map((word) => [word.start, word.end] as const) }
        : { spans: offsets }),
      ...(rationale ? { rationale: inside(offsets, rationale) } : {}),
      ...(unknown === undefined ? {} : { unknown }),
    };
  });
}

/** Tokens that touch one of the parts. */
function inside(offsets: readonly (readonly [number, number])[], parts: NonNullable<LabelledText['rationale']>): number[] {
  return [...offsets.keys()].filter((at) => parts.some(([start, end]) => offsets[at]![0] < end && offsets[at]![1] > start));
}

/** `<unk>` where there is one, else a space. */
function unknownOf({ tokenizer }: LoadedModel): number | undefined {
  for (const text of ['<unk>', ' ']) {
    const { ids } = tokenizer!.encode(text, { around: false });
    if (ids.length === 1) return ids[0];
  }
  return undefined;
}

export const labelledText: DataKind<{ path: string; count?: number | undefined } & TextOptions> = defineData({
  name: 'labelled-text',
  summary: 'JSON lines {"text", "label"} of a classifier, and "rationale" where it is known what the label rests on',
  options: () => z.strictObject({ path: z.string().min(1), count: z.number().int().positive().optional(), ...textOptions() }),
  async open({ path, count, ...options }, loaded, { name, resolve }): Promise<DataSet> {
    checkReads(loaded, 'text', name);
    const texts = await readLabelledTexts(resolve(path));
    if (texts.length === 0) throw new EvaluateError(`${path} of "${name}" has no lines; at least one is needed`);
    const chosen = spread(texts.length, count).map((at) => texts[at]!);
    return { name, kind: 'text', examples: await textExamples(chosen, loaded, name, options) };
  },
});
