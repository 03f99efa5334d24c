import type { Model } from '@hidden-attention/model';
import { largestOf } from './answer.js';
import { gridOf, type ImageInput } from './image.js';
import { isSpan, objectiveOf, type Target } from './objective.js';
import { checkTarget } from './target.js';
import { answersWithout } from './without.js';

/** The input that loses parts, and the answer that they are missed in. */
export interface RemovalSubject {
  model: Model;
  /** a text; of a language model the answer is the one after its last id. Either this or an image */
  ids?: ArrayLike<number>;
  /** its groups are of patches, which become black */
  image?: ImageInput;
  /** class or token, or whatever else is explained */
  target: Target;
  /** an id to put in place of what is removed; default: the tokens are cut out */
  replaceWith?: number;
}

/** What something can be removed from: its positions, the groups that may go, and what is explained without some positions each. */
export interface Removable {
  length: number;
  free(groups: readonly (readonly number[])[]): number[];
  figures(without: readonly (readonly number[])[]): Promise<Figures>;
}

/** The explained number and the probability, one a removal. */
interface Figures {
  logit: number[];
  probability: number[];
}

/** What of the question can be removed, as `removal` is asked it. */
export function removableOf({ model, image, target, replaceWith, ids: given = [] }: RemovalSubject): Removable {
  const text = Int32Array.from(given);
  const span = isSpan(target) ? target : undefined;
  const ids = span ? text.slice(0, span.end - 1) : text;
  if (typeof target === 'number') checkTarget(target, model);
  const last = span ? span.end - span.start : 1;
  const length = image ? gridOf(model, image).reduce((rows, columns) => rows * columns) : text.length;
  return {
    length,
    free: (groups) => (image ? [...groups.keys()].filter((group) => groups[group]!.length > 0) : removable(model, ids, groups, last)),
    figures: async (without) => {
      const all = await answersWithout({ model, ...(image ? { image } : { ids, replaceWith, last }) }, without);
      const [first] = all as [Float32Array];
      const objective = await objectiveOf(model, target, text, () => Promise.resolve(largestOf(first)));
      const logit: number[] = [];
      for (const logits of all) logit.push(await objective.value(logits));
      return { logit, probability: all.map((logits) => objective.probability(logits)) };
    },
  };
}

/** The groups that may go: all, but in a language model none with one of the last `count` positions, from which it answers. */
export function removable(model: Model, ids: ArrayLike<number>, groups: readonly (readonly number[])[], count = 1): number[] {
  const kept = model.config.head.kind === 'language-model' ? ids.length - count : ids.length;
  return [...groups.keys()].filter((group) => groups[group]!.length > 0 && groups[group]!.every((position) => position < kept));
}
