import { disposeBatch, type ImageBatch, type Model } from '@hidden-attention/model';
import { ExplainError } from './errors.js';

/** One image, as the model reads it. */
export interface ImageInput {
  /** (c h w), channel first, normalised */
  pixels: Float32Array;
  shape: readonly [channels: number, height: number, width: number];
  /** what black is after normalisation, by channel: what removed patches become; default 0 */
  black?: readonly number[];
}

/** The images of a request, whatever `explain` was given as input. */
export function isImageInput(input: object | string): input is { images: readonly ImageInput[] } {
  return typeof input === 'object' && 'images' in input;
}

/** Some images of one size as a batch. */
export function batchOfImages(model: Model, images: readonly ImageInput[]): ImageBatch {
  const [first] = images;
  if (!first) throw new ExplainError('there is no image to explain; give at least one');
  const other = images.find(({ shape }) => shape.join() !== first.shape.join());
  if (other)
    throw new ExplainError(
      `images of (${first.shape.join(', ')}) and of (${other.shape.join(', ')}) are given together; one size is needed`,
    );
  const pixels = new Float32Array(images.length * first.pixels.length);
  images.forEach((image, i) => pixels.set(image.pixels, i * first.pixels.length));
  return model.images(pixels, [images.length, ...first.shape]);
}

/** The grid of an image's patches. */
export function gridOf(model: Model, image: ImageInput): readonly [rows: number, columns: number] {
  const batch = batchOfImages(model, [image]);
  disposeBatch(batch);
  return batch.grid;
}
