import { multiply, positive, scope, sumLast, Tensor } from '@hidden-attention/tensor';
import { ExplainError } from '../errors.js';
import type { Relevance } from '../explainer.js';
import type { Question } from '../question.js';
import { layerOf, streamGradient } from './layers.js';
import type { GradientAt, Row } from './paper-options.js';

/**
 * One row of a layer's attention as the released code keeps it, averaged over channels. Where a classifier pools by mean, the row
 * is the mean over all rows.
 */
export interface ReleasedRow {
  /** mean over channels (l) */
  mean: Float64Array;
  /** over all channels and positions together */
  smallest: number;
  largest: number;
}

/** @param clampFirst whether negative numbers are set to 0 before anything else */
export async function releasedRow(
  question: Question,
  layer: number,
  row: Row,
  { clampFirst }: { clampFirst: boolean },
): Promise<ReleasedRow> {
  const attention = await layerOf(question, layer, row);
  const { shape, device } = attention;
  const { mean, smallest, largest } = scope(() => {
    const start = Tensor.from(Float32Array.from(question.start), [1, question.length, 1], device);
    const read = attention.applyTransposed(multiply(Tensor.full(shape, 1, device), start)); // (1 l d)
    const values = clampFirst ? positive(read) : read;
    const all = values.view([1, values.size]);
    return { mean: sumLast(values, 'sum', 1 / shape[2]), smallest: sumLast(all, 'min'), largest: sumLast(all, 'max') };
  });
  const result = { mean: Float64Array.from(await mean.read()), smallest: await smallest.item(), largest: await largest.item() };
  for (const tensor of [mean, smallest, largest]) tensor.dispose();
  return result;
}

/**
 * (x − smallest) / (largest − smallest), as the released code scales a layer. Taken after the mean over channels, which is the same.
 * @throws ExplainError where all numbers are the same: the released code then divides 0 by 0
 */
export function minMax(x: Float64Array, smallest: number, largest: number, what: string): Float64Array<ArrayBuffer> {
  if (largest === smallest) {
    throw new ExplainError(
      `${what} is ${smallest} everywhere, which the released code's scaling turns into 0/0; use the paper variant, or a longer text`,
    );
  }
  return Float64Array.from(x, (value) => (value - smallest) / (largest - smallest));
}

/** The largest positive gradient over the hidden size, scaled by its smallest and largest over positions: (l). */
export async function releasedGradient(question: Question, layer: number, at: GradientAt): Promise<Float64Array<ArrayBuffer>> {
  const gradient = await streamGradient(question, layer, at);
  const largest = scope(() => sumLast(positive(gradient), 'max'));
  const values = Float64Array.from(await largest.read());
  largest.dispose();
  return minMax(values, Math.min(...values), Math.max(...values), `the positive gradient at layer ${layer}`);
}

/**
 * The released rollout: every row of a layer's matrix is the same vector f, plus the identity, divided by its sum; so a row of the
 * product is v ← (v + f)/(1 + Σf) from the last layer down (golden/RECIPES.md).
 * @param vectors by layer, first to last
 */
export function releasedRollout(start: Float64Array, vectors: readonly Float64Array[], startLayer: number): Relevance {
  const layers = vectors.map(() => start);
  let v = start;
  for (let i = vectors.length - 1; i >= 0; i--) {
    const f = vectors[i]!;
    const divisor = 1 + f.reduce((sum, value) => sum + value, 0);
    v = v.map((value, at) => (value + f[at]!) / divisor);
    layers[i] = v;
  }
  return { scores: v, layers: [...Array.from({ length: startLayer }, () => new Float64Array(start.length)), ...layers] };
}

/** What the released code shows: of an image (the only thing that it explains) nothing below 0. */
export function shownAsReleased({ image }: Question, relevance: Relevance): Relevance {
  return image ? { ...relevance, scores: Float64Array.from(relevance.scores, (score) => Math.max(score, 0)) } : relevance;
}
