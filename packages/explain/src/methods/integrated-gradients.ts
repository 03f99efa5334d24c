import { disposeState, ModelError } from '@hidden-attention/model';
import { add, affine, scope, subtract, sumLeading, Tensor } from '@hidden-attention/tensor';
import * as z from '@hidden-attention/model/schema';
import { ExplainError } from '../errors.js';
import { defineExplainer, type Explainer } from '../explainer.js';
import { batchOfImages, type ImageInput } from '../image.js';
import type { Question } from '../question.js';
import { embeddingsOf, weightedGradients } from './embeddings.js';
import { pixelsOf } from './pixels.js';
import { relevanceOf } from './relevance.js';

/**
 * Where the way to the input starts: zeros; the mean of the input's own embeddings at each position; a black image; the text in which
 * every token is this id; or embeddings, (m) for every position or (l m).
 */
export type Baseline = 'zero' | 'mean' | 'black' | number | Float32Array;

export interface IntegratedGradientsOptions {
  steps: number;
  rule: 'gauss' | 'midpoint';
  baseline: Baseline;
}

/**
 * Places and weights of a quadrature over 0…1: midpoints of equal steps, or Gauss and Legendre's (exact for polynomials up to
 * degree 2·steps − 1), the zeros of P_n by Newton's iteration.
 */
export function quadrature(rule: 'gauss' | 'midpoint', steps: number): { at: number[]; weights: number[] } {
  if (rule === 'midpoint')
    return { at: Array.from({ length: steps }, (_, k) => (k + 0.5) / steps), weights: new Array<number>(steps).fill(1 / steps) };
  const at: number[] = [];
  const weights: number[] = [];
  for (let k = 0; k < steps; k++) {
    let x = -Math.cos((Math.PI * (k + 0.75)) / (steps + 0.5));
    let slope = 0;
    for (let iteration = 0; iteration < 20; iteration++) {
      let [previous, value] = [1, x];
      for (let n = 2; n <= steps; n++) [previous, value] = [value, ((2 * n - 1) * x * value - (n - 1) * previous) / n];
      slope = (steps * (x * value - previous)) / (x * x - 1);
      const step = value / slope;
      x -= step;
      if (Math.abs(step) < 1e-15) break;
    }
    at.push((1 + x) / 2);
    weights.push(1 / ((1 - x * x) * slope * slope));
  }
  return { at, weights };
}

/** @throws ExplainError for a baseline that this input cannot have */
async function baselineOf(question: Question, baseline: Baseline): Promise<Tensor> {
  const embeddings = embeddingsOf(question);
  const { model, length, image } = question;
  const [, , width] = embeddings.shape as [number, number, number];
  const everywhere = (row: Tensor): Tensor => add(affine(embeddings, 0), row); // row (m)
  if (baseline === 'zero') return affine(embeddings, 0);
  if (baseline === 'mean') return scope(() => everywhere(affine(sumLeading(embeddings.view([length, width])), 1 / length)));
  if (baseline instanceof Float32Array) {
    if (baseline.length === width) return scope(() => everywhere(Tensor.from(baseline, [width], embeddings.device)));
    if (baseline.length === length * width) return Tensor.from(baseline, embeddings.shape, embeddings.device);
    throw new ExplainError(
      `the baseline has ${baseline.length} numbers; it needs ${width}, the same for every position, or ${length} × ${width}`,
    );
  }
  if (baseline === 'black') {
    if (!image) throw new ExplainError('the baseline "black" is an image; of a text take zero, mean, or a token id');
    return captured(question, batchOfImages(model, [{ ...image, pixels: blackPixels(image) }]));
  }
  if (image) throw new ExplainError(`the baseline ${baseline} is a token id; of an image take zero, mean or black`);
  try {
    return captured(question, model.batch([new Int32Array(length).fill(baseline)]));
  } catch (error) {
    if (!(error instanceof ModelError)) throw error;
    throw new ExplainError(`the baseline ${baseline} does not exist; this model's tokens are 0 to ${model.config.vocabSize - 1}`);
  }
}

/** An image of the same size that is black: (c h w). */
const blackPixels = ({ pixels, shape, black }: ImageInput): Float32Array =>
  pixels.map((_, at) => black?.[Math.floor((at * shape[0]) / pixels.length)] ?? 0);

/** The embeddings of a batch. */
function captured({ model }: Question, batch: ReturnType<Question['model']['batch']> | ReturnType<Question['model']['images']>): Tensor {
  return scope(() => {
    const { captured: sites, state } = model.forward(batch, { capture: ['embeddings'], logits: 'none' });
    disposeState(state);
    return sites['embeddings']!;
  });
}

/**
 * Integrated gradients: (e_j − e′_j)·∫₀¹ ∂score/∂e_j at e′ + t·(e − e′) dt, e′ a baseline. The certificate says how nearly the scores
 * add up to score(e) − score(e′).
 */
export const integratedGradients: Explainer<IntegratedGradientsOptions> = defineExplainer({
  name: 'integrated-gradients',
  title: 'Integrated gradients',
  summary: "How the answer's score builds up, piece by piece, on the straight way from an input without content to this one.",
  cite: 'Sundararajan, Taly, Yan: Axiomatic Attribution for Deep Networks. ICML 2017, arXiv 1703.01365',
  signed: true,
  options: () =>
    z.strictObject({
      steps: z.coerce.number().int().min(1).max(10_000).default(32),
      rule: z.enum(['gauss', 'midpoint']).default('gauss'),
      baseline: z
        .union(
          [
            z.enum(['zero', 'mean', 'black']),
            z.custom<Float32Array>((value) => value instanceof Float32Array),
            z.coerce.number().int().min(0),
          ],
          {
            error: 'it must be zero, mean, black (of an image), a token id, or embeddings',
          },
        )
        .default('zero'),
    }),
  supports: () => true,
  async explain(question, { steps, rule, baseline }) {
    const embeddings = embeddingsOf(question);
    const start = await baselineOf(question, baseline);
    const way = scope(() => subtract(embeddings, start));
    const { at, weights } = quadrature(rule, steps);
    const mean = await weightedGradients(question, weights, (k) => add(start, affine(way, at[k]!)));
    const scores = await relevanceOf(way, mean);
    const [from] = await question.scoresAt(start);
    // from a black image the way is one of pixels, too
    const { image } = question;
    const black = baseline === 'black' && image ? blackPixels(image) : undefined;
    const pixels = black ? await pixelsOf(question, mean, { values: image!.pixels.map((value, at) => value - black[at]!) }) : {};
    for (const tensor of [start, way, mean]) tensor.dispose();
    return { scores, baseline: from!, ...pixels };
  },
});
