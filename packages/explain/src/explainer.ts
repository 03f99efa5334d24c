import type { Model } from '@hidden-attention/model';
import * as z from '@hidden-attention/model/schema';
import type { Question } from './question.js';

/** Which form of a published method: as the paper has it, or as its released code computes it. */
export type Variant = 'paper' | 'released';

/** What an explainer finds. */
export interface Relevance {
  /** one per position of the question */
  scores: ArrayLike<number>;
  /** what the model's biases receive, where the method gives them anything */
  biases?: number;
  /** of an image, one per pixel, row by row: where the method can say so much */
  pixels?: ArrayLike<number>;
  /** by layer, one per position: whatever the method has to show of each layer */
  layers?: readonly ArrayLike<number>[];
  /** by layer, then by group of channels: one per position; what of the site each group receives */
  groups?: { site: string; layers: readonly (readonly ArrayLike<number>[])[] };
  /** of methods that go from a baseline to the input: the explained number at the baseline */
  baseline?: number;
  /** whether these scores can be negative, where that depends on the model: then this counts, and not the explainer's own `signed` */
  signed?: boolean;
  /** what to be careful about */
  warning?: string;
}

/**
 * A way to explain an answer of a model. An explainer is a value: hand it to `explain` as it is, or give it a name with
 * `registerExplainer`.
 */
export interface Explainer<Options extends object = object> {
  /** lower case, hyphens, as its paper calls it: 'mamba-attribution' */
  name: string;
  /** default 'paper' */
  variant?: Variant;
  /** for people: 'Mamba-Attribution' */
  title: string;
  /** one sentence for a newcomer: what the map means */
  summary: string;
  /** where the method comes from */
  cite: string;
  /** whether scores can be negative, perhaps depending on the options */
  signed: boolean | ((options: Options) => boolean);
  /** whether scores and biases add up to the explained number, perhaps depending on the options; the certificate then says how nearly */
  complete?: boolean | ((options: Options) => boolean);
  /** the options as a zod object with defaults; default: none. Values may come as text from a command line */
  options?: z.ZodType<Options>;
  /** true, or why this model cannot be explained so */
  supports(model: Model): true | string;
  explain(question: Question, options: Options): Promise<Relevance>;
}

/** An explainer as it is defined: the options may be a function that makes their schema when it is first needed. */
export type ExplainerDefinition<Options extends object> = Omit<Explainer<Options>, 'options'> & { options?: z.Later<z.ZodType<Options>> };

/** Returns its argument: lets TypeScript infer the options from their schema. */
export function defineExplainer<Options extends object>(explainer: ExplainerDefinition<Options>): Explainer<Options> {
  return z.settleOptions<Explainer<Options>>(explainer);
}

/** 'raw', 'raw:released': how an explainer is asked for. */
export function fullName({ name, variant = 'paper' }: Pick<Explainer, 'name' | 'variant'>): string {
  return variant === 'paper' ? name : `${name}:${variant}`;
}
