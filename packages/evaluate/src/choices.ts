import * as z from '@hidden-attention/model/schema';
import type { RemovalOptions } from './case.js';
import type { Example } from './example.js';

export type Fill = RemovalOptions['fill'];

/** Options that several protocols share. */
export const explained = (): z.ZodDefault<z.ZodEnum<{ predicted: 'predicted'; label: 'label' }>> =>
  z.enum(['predicted', 'label']).default('predicted');
export const fill = (): z.ZodOptional<z.ZodEnum<{ black: 'black'; mean: 'mean'; blur: 'blur'; cut: 'cut'; unknown: 'unknown' }>> =>
  z.enum(['black', 'mean', 'blur', 'cut', 'unknown']).optional();

/** What comes in place of what is removed, where the options do not say. */
export const fillFor = (example: Example, given: Fill | undefined, image: Fill, text: Fill): Fill =>
  given ?? (example.image ? image : text);

/** Whether a fill goes with an example: true, or why not. */
export function fillFits({ image, unknown }: Example, given: Fill | undefined, text: Fill): true | string {
  const chosen = given ?? (image ? 'black' : text);
  if (image && (chosen === 'cut' || chosen === 'unknown')) return `fill "${chosen}" is for texts; images take black, mean or blur`;
  if (!image && chosen !== 'cut' && chosen !== 'unknown') return `fill "${chosen}" is for images; texts take cut or unknown`;
  if (!image && chosen === 'unknown' && unknown === undefined) return 'the data set names no id for "unknown"';
  return true;
}

/** true, or the first reason why not. */
export const allOf = (...answers: readonly (true | string)[]): true | string => answers.find((answer) => answer !== true) ?? true;

export const needsLabel = ({ label }: Example): true | string => label !== undefined || 'the examples have no labels';
export const needsImage = ({ image }: Example): true | string => image !== undefined || 'it is for images';
export const needsMask = ({ mask }: Example): true | string => mask !== undefined || 'the images have no masks';
export const needsTruth = ({ mask, rationale }: Example): true | string =>
  mask !== undefined || (rationale !== undefined && rationale.length > 0) || 'it is not known where the answer lies';
export const needsQueries = ({ queries }: Example): true | string =>
  (queries !== undefined && queries.length > 0) || 'the texts have no queries whose sources are known';
