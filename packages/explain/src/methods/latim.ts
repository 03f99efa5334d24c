import { contributions, type LayerView, type Split } from '@hidden-attention/attention';
import { layerKindsOf } from '@hidden-attention/model';
import { abs, scope, subtract, sumLast, weightedSum, type Float, Tensor } from '@hidden-attention/tensor';
import * as z from '@hidden-attention/model/schema';
import { defineExplainer, type Explainer } from '../explainer.js';
import type { Question } from '../question.js';
import { layersFrom, meanOfLayers } from './layers.js';
import { startLayerOption } from './paper-options.js';

export interface LatimOptions {
  startLayer: number;
  /** of a contribution T(x_j): its norm, or how much nearer it brings to the whole output: max(0, ‖y‖₁ − ‖y − T(x_j)‖₁) */
  score: 'l1' | 'l2' | 'alti';
  /** exact, or SiLU of each tap by itself as published */
  split: Split;
  /** whether each layer's scores are divided by their sum */
  normalize: 'none' | 'rows';
}

/**
 * How much positions contribute to the output of a layer's mixer at some positions, by norm: (l).
 * @param weights (l): 1 at one position, or shares of several
 */
async function contributionScores(
  layer: LayerView,
  weights: Float64Array,
  { score, split }: Pick<LatimOptions, 'score' | 'split'>,
  output?: Tensor,
): Promise<Float64Array> {
  const numbers = scope((): Tensor<Float>[] => {
    const vectors = contributions(layer, Float32Array.from(weights), split); //                         (1 l m)
    if (score !== 'alti') return [sumLast(vectors, score === 'l1' ? 'abs' : 'squares')];
    const [, length] = layer.shape;
    const own = weightedSum(output!, Tensor.from(Float32Array.from(weights), [1, length], layer.device)); // (1 m)
    const width = own.shape[1]!;
    const rest = subtract(vectors.view([length, width]), own.view([width])); //                         T − y
    return [sumLast(rest, 'abs'), sumLast(abs(own), 'sum')];
  });
  const [each, whole] = await Promise.all(numbers.map((tensor) => tensor.read()));
  for (const tensor of numbers) tensor.dispose();
  if (score === 'l2') return Float64Array.from(each!, Math.sqrt);
  return Float64Array.from(each!, (value) => (score === 'l1' ? value : Math.max(0, whole![0]! - value)));
}

/** The mixers' outputs (1 l m) by layer. */
async function outputsOf(question: Question, layers: readonly number[]): Promise<Map<number, Tensor>> {
  const names = layers.map((layer) => `layers.${layer}.mixer`);
  const found = await question.atSites(names);
  return new Map(
    layers.map((layer, i) => {
      const { value, gradient } = found[names[i]!]!;
      gradient.dispose();
      return [layer, value];
    }),
  );
}

/** LaTIM: what each position contributes to the mixers' outputs where the answer is read, as vectors, by their norms. */
export const latim: Explainer<LatimOptions> = defineExplainer({
  name: 'latim',
  title: 'LaTIM',
  summary:
    "How large a part of what the layers hand on at the answer's place comes from each piece of the input, on average over the layers.",
  cite: 'Pitorro, Treviso: LaTIM. ACL 2025, arXiv 2502.15612; with `split` exact: hidden-attention',
  signed: false,
  options: () =>
    z.strictObject({
      startLayer: startLayerOption(),
      score: z.enum(['l2', 'l1', 'alti']).default('l2'),
      split: z.enum(['exact', 'silu']).default('silu'),
      normalize: z.enum(['rows', 'none']).default('rows'),
    }),
  supports: (model) =>
    layerKindsOf(model).every((kind) => kind !== 'softmax') || "it follows Mamba's blocks; this model has layers of softmax attention",
  async explain(question, options) {
    const indices = layersFrom(question, options.startLayer);
    const view = await question.attention();
    const outputs = options.score === 'alti' ? await outputsOf(question, indices) : undefined;
    const maps: Float64Array[] = [];
    for (const index of indices) {
      const scores = await contributionScores(view.layer(index), question.start, options, outputs?.get(index));
      const sum = options.normalize === 'rows' ? scores.reduce((a, b) => a + b, 0) : 1;
      maps.push(sum === 0 ? scores : scores.map((score) => score / sum));
    }
    for (const tensor of outputs?.values() ?? []) tensor.dispose();
    return meanOfLayers(maps, options.startLayer, question.length);
  },
});
