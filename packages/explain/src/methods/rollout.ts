import { layerKindsOf } from '@hidden-attention/model';
import { rollout as rolloutRow, rolloutLongRow, type Rollout } from '@hidden-attention/attention';
import { defineExplainer, type Explainer } from '../explainer.js';
import type { Question } from '../question.js';
import { layersFrom, onlyScans, onlySoftmax } from './layers.js';
import { canBeNegative, matrixOptions, releasedOptions, type MatrixOptions, type ReleasedOptions } from './paper-options.js';
import { releasedRollout, releasedRow, shownAsReleased } from './released.js';

const cite =
  'Ali, Zimerman, Wolf: The Hidden Attention of Mamba Models. ACL 2025, arXiv 2403.01590, eq. 21 and 22; after Abnar, Zuidema 2020';

/** From this many positions on, a plain rollout is computed in pieces of the text. */
const longText = 16384;

/** Attention rollout: row t of (I + E_d α^Λ)⋯(I + E_d α^1) (math.md section 5). */
export const rollout: Explainer<MatrixOptions> = defineExplainer({
  name: 'rollout',
  title: 'Attention rollout',
  summary:
    'How much of each piece of the input reaches the answer when the hidden attention of all layers is followed, one after another, down to the input.',
  cite,
  signed: canBeNegative,
  options: matrixOptions,
  supports: () => true,
  async explain(question, options) {
    layersFrom(question, options.startLayer);
    const { data, layers, warning } = await rollOut(question, options);
    return {
      scores: data,
      layers: layers.map((layer) => layer ?? new Float64Array(question.length)),
      ...(onlySoftmax(question.model) ? { signed: false } : {}),
      ...(warning ? { warning } : {}),
    };
  },
});

async function rollOut(question: Question, options: MatrixOptions): Promise<Rollout> {
  const { startLayer, row, normalize, aggregate: reduce, clamp } = options;
  const plain =
    canBeNegative(options) &&
    row === 'exact' &&
    question.position !== null &&
    layerKindsOf(question.model).every((kind) => kind === 'scan');
  if (plain && question.length > longText) return rolloutLongRow(question.model, question.ids, { startLayer, normalize });
  return rolloutRow(await question.attention(), {
    start: question.start,
    of: row === 'literal' ? 'literal' : 'scan',
    startLayer,
    normalize,
    reduce,
    clamp,
  });
}

/** The same as the released code has it: the one row stands for all rows, and rows are divided by their sums. */
export const rolloutReleased: Explainer<ReleasedOptions> = defineExplainer({
  name: 'rollout',
  variant: 'released',
  title: 'Attention rollout',
  summary: "Attention rollout as the paper's code computes it: the answer's own row stands for the rows of all positions.",
  cite: `${cite}; code: AmeenAli/HiddenMambaAttn`,
  signed: true,
  options: releasedOptions,
  supports: onlyScans,
  async explain(question, { startLayer, row }) {
    const vectors: Float64Array[] = [];
    for (const index of layersFrom(question, startLayer))
      vectors.push((await releasedRow(question, index, row, { clampFirst: false })).mean);
    return shownAsReleased(question, releasedRollout(question.start, vectors, startLayer));
  },
});
