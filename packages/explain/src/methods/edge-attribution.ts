import { edgeSums, scaledLayer, throughEdges, type AttentionLayer, type LayerView, type Scales } from '@hidden-attention/attention';
import { layerKindsOf, type LayerKind } from '@hidden-attention/model';
import { reshape, type RuleSet, type Tensor } from '@hidden-attention/tensor';
import * as z from '@hidden-attention/model/schema';
import { defineExplainer, type Explainer } from '../explainer.js';
import type { Question } from '../question.js';
import { rules } from '../rules.js';
import { layersFrom, meanOfLayers } from './layers.js';
import { attributionFields, type MatrixOptions } from './paper-options.js';

export interface EdgeAttributionOptions extends Omit<MatrixOptions, 'row'> {
  /** layers multiplied as in a rollout from the answer's place, or all edges into a position added up, averaged over layers */
  form: 'rollout' | 'sum';
  /** gradients of the whole model: true ones, or with everything held that is not linear */
  rules: 'gradient' | 'decomposition';
}

/** Where a layer's scan gives its output y and takes its input x′; of softmax attention what heads give, and values. */
const ends: Readonly<Record<LayerKind, readonly (readonly [output: string, input: string])[]>> = {
  scan: [['scan', 'u']],
  'two-way scan': [
    ['forward.scan', 'forward.u'],
    ['backward.scan', 'backward.u'],
  ],
  softmax: [['attended', 'v']],
};

/** Each layer's edges (∂score/∂y_i)·α[i,j]·x′_j, channel by channel, as attention; `done` frees what they are made of. */
async function edgeLayers(
  question: Question,
  indices: readonly number[],
  ruleSet: RuleSet,
): Promise<{ layers: Map<number, AttentionLayer>; done: () => void }> {
  const kinds = layerKindsOf(question.model);
  const view = await question.attention();
  const names = indices.flatMap((index) => ends[kinds[index]!].flat().map((site) => `layers.${index}.${site}`));
  const found = await question.atSites(names, ruleSet);
  const flat = (x: Tensor): Tensor => (x.shape.length === 3 ? x : reshape(x, [1, question.length, x.size / question.length]));
  const scalesOf = (index: number, [output, input]: readonly [string, string]): Scales => ({
    rows: flat(found[`layers.${index}.${output}`]!.gradient),
    columns: flat(found[`layers.${index}.${input}`]!.value),
  });
  const layerOf = (layer: LayerView): AttentionLayer => {
    const [one, other] = ends[layer.kind].map((pair) => scalesOf(layer.index, pair)) as [Scales, Scales?];
    return scaledLayer(layer, other ? { forward: one, backward: other } : one);
  };
  return {
    layers: new Map(indices.map((index) => [index, layerOf(view.layer(index))])),
    done: () => {
      for (const { value, gradient } of Object.values(found)) for (const tensor of [value, gradient]) tensor.dispose();
    },
  };
}

/**
 * The chain rule edge by edge (math.md section 5): α[d][i,j]·∂score/∂α[d][i,j] = (∂score/∂y_i[d])·α[d][i,j]·x′_j[d], y the scan's output
 * before the gate; its mean over channels, clamped, in the place of Mamba-Attribution's matrices.
 */
export const edgeAttribution: Explainer<EdgeAttributionOptions> = defineExplainer({
  name: 'edge-attribution',
  title: 'Edge attribution',
  summary:
    "How much of each piece of the input reaches the answer through connections of the layers, each weighted by how much it itself adds to the answer's score.",
  cite: 'hidden-attention, docs: mathematics, "explanations as one backward pass"; after Chefer, Gur, Wolf 2021 and Ali, Zimerman, Wolf 2025',
  signed: ({ aggregate, clamp }) => aggregate === 'mean' && clamp === 'none',
  options: () => {
    const { startLayer, normalize, aggregate, clamp } = attributionFields();
    return z.strictObject({
      form: z.enum(['rollout', 'sum']).default('rollout'),
      startLayer,
      normalize,
      aggregate,
      clamp: clamp.default('positive'),
      rules: z.enum(['gradient', 'decomposition']).default('gradient'),
    });
  },
  supports: () => true,
  async explain(question, { form, startLayer, normalize, aggregate: reduce, clamp, rules: name }) {
    const indices = layersFrom(question, startLayer);
    const { layers, done } = await edgeLayers(question, indices, rules[name]);
    const edge = { reduce, clamp };
    try {
      if (form === 'sum') {
        const all = new Float64Array(question.length).fill(1);
        const maps: Float64Array[] = [];
        for (const layer of layers.values()) {
          const sums = await throughEdges(layer, all, edge);
          maps.push(sums.map((sum) => sum * layer.shape[2])); // the sum over channels
        }
        return meanOfLayers(maps, startLayer, question.length);
      }
      const rows: Float64Array[] = Array.from({ length: question.model.config.layers }, () => new Float64Array(question.length));
      let v = Float64Array.from(question.start);
      for (const index of indices.toReversed()) {
        const layer = layers.get(index)!;
        if (normalize === 'rows') {
          const sums = await edgeSums(layer, edge);
          v = v.map((value, at) => (value === 0 ? 0 : value / (1 + sums[at]!)));
        }
        const read = await throughEdges(layer, v, edge);
        v = v.map((value, at) => value + read[at]!);
        rows[index] = v;
      }
      return { scores: v, layers: rows };
    } finally {
      done();
    }
  },
});
