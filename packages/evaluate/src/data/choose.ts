import type { LoadedModel } from '@hidden-attention/checkpoint';
import { EvaluateError } from '../errors.js';

/** `count` numbers below `total`, spread evenly; all where there are no more. */
export function spread(total: number, count: number = total): number[] {
  const taken = Math.min(total, count);
  return Array.from({ length: taken }, (_, i) => Math.floor((i * total) / taken));
}

/** @throws EvaluateError where a model of the other kind is given */
export function checkReads({ model }: LoadedModel, kind: 'text' | 'image', name: string): void {
  const reads = model.family.images ? 'image' : 'text';
  if (reads !== kind) throw new EvaluateError(`the data set "${name}" holds ${kind}s, and the model reads ${reads}s`);
}

/** Class names of a model; throws EvaluateError of a language model. */
export function labelsOf({ model }: LoadedModel, name: string): readonly string[] {
  const { head } = model.config;
  if (head.kind === 'classifier') return head.labels;
  throw new EvaluateError(`the data set "${name}" has labels, and the model is a language model, which has none`);
}
