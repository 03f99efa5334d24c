import type { VisionConfig } from '@hidden-attention/model';
import { matmul, reshape, scope, type Tensor } from '@hidden-attention/tensor';
import { gridOf } from '../image.js';
import type { Relevance } from '../explainer.js';
import type { Question } from '../question.js';
import type { Norm } from './embeddings.js';

const kernelName = 'patch_embed.proj.weight';

/** What is made of a pixel's gradient over its channels: Σ value·gradient, or a norm of the gradient. */
const over: Readonly<Record<'product' | Norm, (values: number[], gradients: number[]) => number>> = {
  product: (values, gradients) => gradients.reduce((sum, gradient, channel) => sum + gradient * values[channel]!, 0),
  l1: (_, gradients) => gradients.reduce((sum, gradient) => sum + Math.abs(gradient), 0),
  l2: (_, gradients) => Math.hypot(...gradients),
  max: (_, gradients) => Math.max(...gradients.map(Math.abs)),
};

/**
 * Scores of an image's pixels, row by row, out of the gradient of its embeddings (1 l m): patches are projected by one linear map, so this
 * is the gradient of the pixels themselves. A patch's pixels add up to the patch, but for what its position and the projection's bias
 * supply. Nothing of texts.
 * @param options.values (c h w) that gradients are multiplied with; default: the pixels
 */
export async function pixelsOf(
  question: Question,
  gradient: Tensor,
  { as = 'product', values }: { as?: 'product' | Norm; values?: Float32Array } = {},
): Promise<Pick<Relevance, 'pixels'>> {
  const { model, image, parts } = question;
  if (!image || !model.parameters.has(kernelName)) return {};
  const { patchSize, stride, hiddenSize } = model.config as VisionConfig;
  const [channels, height, width] = image.shape;
  const back = scope(() => {
    const kernel = model.parameter(kernelName);
    return matmul(reshape(gradient, [question.length, hiddenSize]), reshape(kernel, [hiddenSize, kernel.size / hiddenSize])); // (l n)
  });
  const numbers = await back.read();
  back.dispose();
  const [, columns] = gridOf(model, image);
  const gradients = new Float64Array(channels * height * width);
  for (const [patch, position] of parts.entries()) {
    const [top, left] = [Math.floor(patch / columns) * stride, (patch % columns) * stride];
    let from = position * channels * patchSize ** 2;
    for (let channel = 0; channel < channels; channel++)
      for (let y = 0; y < patchSize; y++)
        for (let x = 0; x < patchSize; x++) gradients[(channel * height + top + y) * width + left + x]! += numbers[from++]!;
  }
  const ofPixel = (numbersOf: ArrayLike<number>, pixel: number): number[] =>
    Array.from({ length: channels }, (_, channel) => numbersOf[channel * height * width + pixel]!);
  return {
    pixels: Float64Array.from({ length: height * width }, (_, pixel) =>
      over[as](ofPixel(values ?? image.pixels, pixel), ofPixel(gradients, pixel)),
    ),
  };
}
