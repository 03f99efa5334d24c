// The reference figures in test/golden/hidden-attention, and their model.
import { fileURLToPath } from 'node:url';
import { loadModel } from '@hidden-attention/checkpoint';
import type { Model } from '@hidden-attention/model';
import { goldenFigures } from './golden-figures.js';

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

export const { golden, goldenInput, shapeOf, expectGolden, untested } = await goldenFigures(path('golden/hidden-attention/'));

/** The model that the figures are of. */
export async function goldenModel(): Promise<Model> {
  return (await loadModel(path('../../model/test/golden/mamba1-lm'))).model;
}
