import { add, multiply, scope, sum, Tensor } from '@hidden-attention/tensor';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import * as z from '@hidden-attention/model/schema';
import { defineExplainer, type Explainer } from '../explainer.js';
import type { Question } from '../question.js';
import { embeddingsOf, normsOf, weightedGradients } from './embeddings.js';
import { relevanceOf } from './relevance.js';

interface SmoothGradOptions {
  /** noisy copies of the input */
  samples: number;
  /** the noise's standard deviation, as a share of the root mean square of the embeddings */
  sigma: number;
  seed: number;
  /** what is made of the mean gradient g: Σ e·g, ‖g‖, or of the mean of squares Σ g² */
  of: 'gradient-x-input' | 'saliency' | 'squared';
}

/** Normal numbers, the same for the same seed (Box and Muller 1958). */
function normalNumbers(count: number, seed: number): Float32Array {
  const generator = xoroshiro128plus(seed);
  const uniform = (): number => ((generator.next() >>> 0) + 0.5) / 2 ** 32;
  return Float32Array.from({ length: count }, () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()));
}

/** The noise of sample k: (1 l m). */
async function noiseOf(question: Question, { sigma, seed, samples }: SmoothGradOptions): Promise<(k: number) => Tensor> {
  const embeddings = embeddingsOf(question);
  const squares = scope(() => sum(multiply(embeddings, embeddings)));
  const deviation = sigma * Math.sqrt((await squares.item()) / embeddings.size);
  squares.dispose();
  const numbers = normalNumbers(samples * embeddings.size, seed);
  return (k) => {
    const own = numbers.subarray(k * embeddings.size, (k + 1) * embeddings.size);
    return Tensor.from(
      own.map((value) => deviation * value),
      embeddings.shape,
      embeddings.device,
    );
  };
}

/** What is made of gradients at the input with some noise added: see `SmoothGradOptions.of`. */
export async function smoothed(
  question: Question,
  samples: number,
  noise: (k: number) => Tensor,
  of: SmoothGradOptions['of'],
): Promise<Float64Array> {
  const embeddings = embeddingsOf(question);
  const weights = Array.from({ length: samples }, () => 1 / samples);
  const mean = await weightedGradients(question, weights, (k) => add(embeddings, noise(k)), of === 'squared');
  const scores = of === 'gradient-x-input' ? await relevanceOf(embeddings, mean) : await normsOf(mean, of === 'saliency' ? 'l2' : 'l1');
  mean.dispose();
  return scores;
}

/** SmoothGrad: gradients averaged over inputs with noise, ḡ = (1/S)·Σ_s ∂score/∂e at e + N(0, (σ·rms e)²). */
export const smoothGrad: Explainer<SmoothGradOptions> = defineExplainer({
  name: 'smoothgrad',
  title: 'SmoothGrad',
  summary:
    'Gradient × input, averaged over slightly disturbed copies of the input, so that slopes that hold only at one point do not show.',
  cite: 'Smilkov, Thorat, Kim, Viégas, Wattenberg: SmoothGrad. 2017, arXiv 1706.03825; squared: Hooker et al., NeurIPS 2019',
  signed: ({ of }) => of === 'gradient-x-input',
  options: () =>
    z.strictObject({
      samples: z.coerce.number().int().min(1).max(10_000).default(16),
      sigma: z.coerce.number().min(0).default(0.1),
      seed: z.coerce.number().int().default(0),
      of: z.enum(['gradient-x-input', 'saliency', 'squared']).default('gradient-x-input'),
    }),
  supports: () => true,
  explain: async (question, options) => ({
    scores: await smoothed(question, options.samples, await noiseOf(question, options), options.of),
  }),
});
