import { rollout } from '@hidden-attention/attention';
import { defineExplainer, type Explainer } from '../explainer.js';
import { layersFrom, meanGradients, onlyScans } from './layers.js';
import {
  attributionOptions,
  releasedAttributionOptions,
  type AttributionOptions,
  type ReleasedAttributionOptions,
} from './paper-options.js';
import { minMax, releasedGradient, releasedRollout, releasedRow, shownAsReleased } from './released.js';

const cite = 'Ali, Zimerman, Wolf: The Hidden Attention of Mamba Models. ACL 2025, arXiv 2403.01590, eq. 24; after Chefer, Gur, Wolf 2021';

/**
 * Mamba-Attribution: β^λ = I + (g^λ ⊙_columns E_d α^λ)⁺, row t of β^Λ⋯β^1, with g the gradient of the residual stream after
 * each block, averaged over the hidden size (math.md section 5). With a clamp it takes time quadratic in the length, in pieces of
 * rows; memory stays linear.
 */
export const mambaAttribution: Explainer<AttributionOptions> = defineExplainer({
  name: 'mamba-attribution',
  title: 'Mamba-Attribution',
  summary:
    "How much of each piece of the input reaches the answer through the layers, following only those connections that raise the answer's score.",
  cite,
  signed: ({ clamp }) => clamp === 'none',
  options: attributionOptions,
  supports: () => true,
  async explain(question, { startLayer, row, normalize, aggregate: reduce, clamp, gradientAt }) {
    const columns = await meanGradients(question, startLayer, gradientAt);
    const of = row === 'literal' ? 'literal' : 'scan';
    const { data, layers, warning } = await rollout(await question.attention(), {
      start: question.start,
      of,
      startLayer,
      normalize,
      reduce,
      clamp,
      columns,
    });
    return { scores: data, layers: layers.map((layer) => layer ?? new Float64Array(question.length)), ...(warning ? { warning } : {}) };
  },
});

/** The same as the released code has it: attention clamped and scaled before the product, the gradient's largest positive number. */
export const mambaAttributionReleased: Explainer<ReleasedAttributionOptions> = defineExplainer({
  name: 'mamba-attribution',
  variant: 'released',
  title: 'Mamba-Attribution',
  summary:
    "Mamba-Attribution as the paper's code computes it: attention and the score's gradient are each stretched to 0…1 and multiplied, and the answer's own row stands for the rows of all positions.",
  cite: `${cite}; code: AmeenAli/HiddenMambaAttn`,
  signed: false,
  options: releasedAttributionOptions,
  supports: onlyScans,
  async explain(question, { startLayer, row, gradientAt }) {
    const vectors: Float64Array[] = [];
    for (const index of layersFrom(question, startLayer)) {
      const { mean, smallest, largest } = await releasedRow(question, index, row, { clampFirst: true });
      const gradient = await releasedGradient(question, index, gradientAt);
      vectors.push(
        minMax(mean, smallest, largest, `the positive attention row of layer ${index}`).map((value, at) => value * gradient[at]!),
      );
    }
    return shownAsReleased(question, releasedRollout(question.start, vectors, startLayer));
  },
});
