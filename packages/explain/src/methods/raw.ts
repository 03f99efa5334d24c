import { edgeSums, throughEdges } from '@hidden-attention/attention';
import { defineExplainer, type Explainer } from '../explainer.js';
import { layerOf, layersFrom, meanOfLayers, onlyScans, onlySoftmax } from './layers.js';
import { canBeNegative, matrixOptions, releasedOptions, type MatrixOptions, type ReleasedOptions } from './paper-options.js';
import { minMax, releasedRow, shownAsReleased } from './released.js';

const cite = 'Ali, Zimerman, Wolf: The Hidden Attention of Mamba Models. ACL 2025, arXiv 2403.01590';

/** Raw hidden attention: the mean over layers and channels of row t of α (math.md section 5). */
export const raw: Explainer<MatrixOptions> = defineExplainer({
  name: 'raw',
  title: 'Raw hidden attention',
  summary:
    'How strongly the model reads each piece of its input, on average over its layers, when it forms its answer; negative means that it is read with its sign turned round.',
  cite,
  signed: canBeNegative,
  options: matrixOptions,
  supports: () => true,
  async explain(question, { startLayer, row, normalize, aggregate: reduce, clamp }) {
    const maps: Float64Array[] = [];
    for (const index of layersFrom(question, startLayer)) {
      const layer = await layerOf(question, index, row);
      const sums = normalize === 'rows' ? await edgeSums(layer, { reduce, clamp }) : undefined;
      const start = sums ? question.start.map((weight, at) => (sums[at] === 0 ? 0 : weight / sums[at]!)) : question.start; // a row of zeros stays one
      maps.push(await throughEdges(layer, start, { reduce, clamp }));
    }
    return { ...meanOfLayers(maps, startLayer, question.length), ...(onlySoftmax(question.model) ? { signed: false } : {}) };
  },
});

/** The same as the released code has it: each layer scaled to 0…1 over all its channels and positions. */
export const rawReleased: Explainer<ReleasedOptions> = defineExplainer({
  name: 'raw',
  variant: 'released',
  title: 'Raw hidden attention',
  summary: "Raw hidden attention as the paper's code computes it: every layer is stretched to 0…1 before the average.",
  cite: `${cite}; code: AmeenAli/HiddenMambaAttn`,
  signed: false,
  options: releasedOptions,
  supports: onlyScans,
  async explain(question, { startLayer, row }) {
    const maps: Float64Array[] = [];
    for (const index of layersFrom(question, startLayer)) {
      const { mean, smallest, largest } = await releasedRow(question, index, row, { clampFirst: false });
      maps.push(minMax(mean, smallest, largest, `the attention row of layer ${index}`));
    }
    return shownAsReleased(question, meanOfLayers(maps, startLayer, question.length));
  },
});
