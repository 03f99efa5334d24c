import type { Model, VisionConfig } from '@hidden-attention/model';
import { answers, imageAnswers } from './answer.js';
import { ExplainError } from './errors.js';
import { answersOfVariants } from './shared-prefix.js';
import { gridOf, type ImageInput } from './image.js';

/** What comes in place of what is removed from an image: black, the image's mean colour, or the image blurred. */
export type Fill = 'black' | 'mean' | 'blur';

/** What inputs are removed from. */
export interface RemovableInput {
  model: Model;
  /** a text; of a language model the answer is the one after its last id. Either this or an image */
  ids?: ArrayLike<number>;
  image?: ImageInput;
  /** of a text: an id to put in place of what is removed; default: the tokens are cut out */
  replaceWith?: number | undefined;
  /** of an image; default black */
  fill?: Fill | undefined;
  /** of a text: at how many of its last positions the logits are wanted, one after another; default 1 */
  last?: number | undefined;
  /** of an image: what the numbers in `without` mean, patches (default) or pixels, both row by row */
  by?: 'patch' | 'pixel' | undefined;
}

/**
 * The logits of the answers without some of the input, once for each list of positions (patches, pixels). The one function that takes
 * inputs away: checks of maps and every measure of faithfulness go through it.
 * @throws ExplainError where nothing of a text would be left, or for a place that does not exist
 */
export async function answersWithout(input: RemovableInput, without: readonly (readonly number[])[]): Promise<Float32Array[]> {
  const { model, image } = input;
  if (!image) {
    const ids = Int32Array.from(input.ids ?? []);
    const texts = without.map((positions) => removed(ids, positions, input.replaceWith));
    return (input.last ?? 1) > 1 ? answers(model, texts, input.last) : answersOfVariants(model, texts);
  }
  const { fill = 'black', by = 'patch' } = input;
  const filling = fillingOf(image, fill);
  const [, columns] = by === 'patch' ? gridOf(model, image) : [0, 0];
  const results: Float32Array[] = [];
  const atOnce = 64; // images in memory
  for (let from = 0; from < without.length; from += atOnce) {
    const some = without.slice(from, from + atOnce).map((places) => {
      const pixels = by === 'pixel' ? places : places.flatMap((patch) => pixelsOf(model, image, patch, columns));
      return withoutPixels(image, pixels, filling);
    });
    results.push(...(await imageAnswers(model, some)));
  }
  return results;
}

function removed(ids: Int32Array, positions: readonly number[], replaceWith: number | undefined): Int32Array {
  const gone = new Set(positions);
  checkPlaces(positions, ids.length, 'position');
  if (replaceWith !== undefined) return ids.map((id, position) => (gone.has(position) ? replaceWith : id));
  const rest = ids.filter((_, position) => !gone.has(position));
  if (rest.length === 0) throw new ExplainError(`all ${ids.length} tokens would be removed; leave one, or give replaceWith`);
  return rest;
}

function checkPlaces(places: readonly number[], count: number, what: string): void {
  const bad = places.find((place) => !Number.isInteger(place) || place < 0 || place >= count);
  if (bad !== undefined) throw new ExplainError(`${what} ${bad} cannot be removed; there are ${count}, from 0`);
}

/** The pixels of a patch, as numbers y·width + x. */
function pixelsOf(model: Model, { shape: [, , width] }: ImageInput, patch: number, columns: number): number[] {
  const { patchSize, stride } = model.config as VisionConfig;
  const [top, left] = [Math.floor(patch / columns) * stride, (patch % columns) * stride];
  return Array.from({ length: patchSize * patchSize }, (_, i) => (top + Math.floor(i / patchSize)) * width + left + (i % patchSize));
}

/** What each number of an image becomes where it is removed: (c h w). */
function fillingOf(image: ImageInput, fill: Fill): Float32Array {
  const {
    pixels,
    shape: [channels, height, width],
    black,
  } = image;
  if (fill === 'blur') return blurred(image);
  const size = height * width;
  const filling = new Float32Array(channels * size);
  for (let channel = 0; channel < channels; channel++) {
    const own = pixels.subarray(channel * size, (channel + 1) * size);
    filling.fill(
      fill === 'black' ? (black?.[channel] ?? 0) : own.reduce((sum, value) => sum + value, 0) / size,
      channel * size,
      (channel + 1) * size,
    );
  }
  return filling;
}

function withoutPixels(image: ImageInput, places: readonly number[], filling: Float32Array): ImageInput {
  const [channels, height, width] = image.shape;
  checkPlaces(places, height * width, 'pixel');
  const pixels = image.pixels.slice();
  for (let channel = 0; channel < channels; channel++)
    for (const place of places) {
      const at = channel * height * width + place;
      pixels[at] = filling[at]!;
    }
  return { ...image, pixels };
}

/** A Gaussian blur, its deviation an eighth of the shorter side, edges continued: outlines are gone, colours stay. */
function blurred({ pixels, shape: [channels, height, width] }: ImageInput): Float32Array {
  const deviation = Math.min(height, width) / 8;
  const radius = Math.ceil(2 * deviation);
  const kernel = Array.from({ length: 2 * radius + 1 }, (_, i) => Math.exp(-((i - radius) ** 2) / (2 * deviation ** 2)));
  const total = kernel.reduce((sum, weight) => sum + weight, 0);
  const along = (from: Float32Array, step: number, count: number, place: (i: number) => number): Float32Array =>
    from.map((_, i) => {
      const own = place(i);
      const start = i - own * step;
      return kernel.reduce(
        (sum, weight, k) => sum + (weight / total) * from[start + Math.min(count - 1, Math.max(0, own + k - radius)) * step]!,
        0,
      );
    });
  const rows = along(pixels.subarray(0, channels * height * width), 1, width, (i) => i % width);
  return along(rows, width, height, (i) => Math.floor(i / width) % height);
}
