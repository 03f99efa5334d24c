import type { AttentionLayer } from '@hidden-attention/attention';
import {
  defineExplainer,
  getExplainer,
  registerExplainer,
  type Explainer,
  type ImageInput,
  type Question,
} from '@hidden-attention/explain';
import { layerKindsOf, type Model } from '@hidden-attention/model';
import { scope, sumLast, Tensor } from '@hidden-attention/tensor';
import * as z from '@hidden-attention/model/schema';

/** How the channels' matrices become one: table 5 of the paper, and means weighted by what each channel gives or how much it matters. */
const aggregates = ['mean', 'max', 'min', 'product', 'norm', 'gradient'] as const;

interface Options {
  aggregate: (typeof aggregates)[number];
  /** this share of the entries, the smallest, are set to 0: attention rollout's "discard ratio" */
  discard: number;
  /** whether it is Mamba-Attribution's matrix: columns by the gradient, and a clamp */
  attribution: boolean;
  /** what becomes of negative numbers of an attribution's matrix: 0, themselves, or their size */
  clamp: 'positive' | 'none' | 'absolute';
}

const options = () =>
  z.strictObject({
    aggregate: z.enum(aggregates).default('mean'),
    discard: z.coerce.number().min(0).max(0.99).default(0),
    attribution: z.boolean().default(false),
    clamp: z.enum(['positive', 'none', 'absolute']).default('positive'),
  });

/**
 * Rollout and Mamba-Attribution with any of the aggregations that the paper tries (tables 5 and 9): matrices as they are, quadratic in the
 * length, since a largest or smallest number over channels is no scan.
 */
const aggregated: Explainer<Options> = defineExplainer({
  name: 'rollout-aggregation',
  title: 'Rollout by another aggregation of channels',
  summary: 'Attention rollout, the channels of each layer brought together by their mean, largest, smallest number or product.',
  cite: 'Ali, Zimerman, Wolf: The Hidden Attention of Mamba Models. ACL 2025, arXiv 2403.01590, tables 5 and 9',
  signed: true,
  options,
  supports: (model) => layerKindsOf(model).every((kind) => kind !== 'softmax') || 'it is for channels of scans',
  async explain(question, { aggregate, discard, attribution, clamp }) {
    const view = await question.attention();
    const weights = aggregate === 'norm' || aggregate === 'gradient' ? await channelWeights(question, aggregate) : [];
    let v = Float64Array.from(question.start);
    const layers: Float64Array[] = [];
    for (let index = view.layers - 1; index >= 0; index--) {
      const layer = view.layer(index).of('scan');
      let read: Float64Array;
      if (aggregate === 'norm' || aggregate === 'gradient') read = await throughWeighted(layer, v, weights[index]!);
      else {
        const matrix = await matrixOf(question, layer, index, aggregate);
        if (attribution) scaleColumns(matrix, await meanGradient(question, index), clamps[clamp]);
        if (discard > 0) discardSmallest(matrix, discard);
        read = transposedProduct(matrix, v);
      }
      v = v.map((value, at) => value + read[at]!);
      layers.unshift(v);
    }
    return { scores: v, layers };
  },
});

/** Makes the method known, once. */
export function registerAggregations(): void {
  try {
    getExplainer(aggregated.name);
  } catch {
    registerExplainer(aggregated);
  }
}

/** A layer's channels brought together in the three ways that are no scan (l l), out of one pass over their matrices. */
type Extremes = Record<'max' | 'min' | 'product', Float64Array>;

/** What the last input was found to have, layer by layer: aggregations are compared on one input after another. */
let latest: { model: Model; input: ImageInput | string; means: Float64Array[]; extremes: Extremes[] } | undefined;

/** One matrix (l l) of a layer's channels. */
async function matrixOf(
  question: Question,
  layer: AttentionLayer,
  index: number,
  aggregate: 'mean' | keyof Extremes,
): Promise<Float64Array> {
  const { model, image, ids } = question;
  const input = image ?? ids.join();
  if (latest?.model !== model || latest.input !== input) latest = { model, input, means: [], extremes: [] };
  if (aggregate === 'mean') return (latest.means[index] ??= await meanOf(layer)).slice();
  return (latest.extremes[index] ??= await extremesOf(layer))[aggregate].slice();
}

async function meanOf(layer: AttentionLayer): Promise<Float64Array> {
  const matrix = layer.matrix({ reduce: 'mean' });
  const numbers = await matrix.read();
  matrix.dispose();
  return Float64Array.from(numbers);
}

/** A product of hundreds of small numbers underflows: its root is taken, the sign kept. */
async function extremesOf(layer: AttentionLayer): Promise<Extremes> {
  const [, length, channels] = layer.shape;
  const size = length * length;
  const matrix = layer.matrix({ channels: 'all' });
  const all = await matrix.read();
  matrix.dispose();
  const [max, min] = [new Float64Array(size).fill(-Infinity), new Float64Array(size).fill(Infinity)];
  const [logs, factor] = [new Float64Array(size), new Float64Array(size).fill(1)];
  for (let channel = 0; channel < channels; channel++) {
    const own = all.subarray(channel * size, (channel + 1) * size);
    const full = channel % 8 === 7 || channel === channels - 1; // eight factors fit into a float64, whose logarithm is then taken
    for (let at = 0; at < size; at++) {
      const value = own[at]!;
      if (value > max[at]!) max[at] = value;
      if (value < min[at]!) min[at] = value;
      const product = factor[at]! * value;
      if (full) logs[at]! += Math.log(Math.abs(product));
      factor[at] = full ? Math.sign(product) : product;
    }
  }
  return { max, min, product: factor.map((sign, at) => sign * Math.exp(logs[at]! / channels)) };
}

/** The mean gradient of the residual stream after a block, one number a position. */
async function meanGradient(question: Question, layer: number): Promise<Float32Array> {
  const gradient = (await question.gradient()).stream[layer + 1]!;
  const mean = sumLast(gradient, 'sum', 1 / gradient.shape.at(-1)!);
  const numbers = (await mean.read()) as Float32Array;
  mean.dispose();
  return numbers;
}

const clamps = { positive: (value: number) => Math.max(0, value), none: (value: number) => value, absolute: Math.abs };

function scaleColumns(matrix: Float64Array, columns: Float32Array, clamp: (value: number) => number): void {
  const length = columns.length;
  for (let at = 0; at < matrix.length; at++) matrix[at] = clamp(matrix[at]! * columns[at % length]!);
}

function discardSmallest(matrix: Float64Array, share: number): void {
  const limit = matrix.toSorted()[Math.floor(share * matrix.length)]!;
  for (let at = 0; at < matrix.length; at++) if (matrix[at]! < limit) matrix[at] = 0;
}

function transposedProduct(matrix: Float64Array, v: Float64Array): Float64Array {
  const length = v.length;
  const result = new Float64Array(length);
  for (let i = 0; i < length; i++) if (v[i] !== 0) for (let j = 0; j < length; j++) result[j]! += v[i]! * matrix[i * length + j]!;
  return result;
}

/** Of each layer, a weight for each channel, adding up to 1: the size of what it gives, or of the answer's gradient there. */
async function channelWeights(question: Question, by: 'norm' | 'gradient'): Promise<Float64Array[]> {
  const sites = Array.from({ length: question.model.config.layers }, (_, layer) => `layers.${layer}.gated`);
  const found = await question.atSites(sites);
  const all: Float64Array[] = [];
  for (const site of sites) {
    const { value, gradient } = found[site]!;
    const numbers = await (by === 'norm' ? value : gradient).read();
    const weights = new Float64Array(value.shape.at(-1)!);
    for (let at = 0; at < numbers.length; at++) weights[at % weights.length]! += numbers[at]! ** 2;
    const sizes = weights.map(Math.sqrt);
    const total = sizes.reduce((sum, size) => sum + size, 0);
    all.push(sizes.map((size) => size / total));
    for (const tensor of [value, gradient]) tensor.dispose();
  }
  return all;
}

/** Σ_d w_d · vᵀα^d: one scan run backwards. */
async function throughWeighted(layer: AttentionLayer, v: Float64Array, weights: Float64Array): Promise<Float64Array> {
  const [, length, channels] = layer.shape;
  const scaled = Float32Array.from({ length: length * channels }, (_, at) => v[Math.floor(at / channels)]! * weights[at % channels]!);
  const product = scope(() => sumLast(layer.applyTransposed(Tensor.from(scaled, layer.shape, layer.device))));
  const result = Float64Array.from(await product.read());
  product.dispose();
  return result;
}
