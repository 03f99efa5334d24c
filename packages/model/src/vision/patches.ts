import { Tensor } from '@hidden-attention/tensor';
import type { ImageBatch } from '../batch.js';
import { ModelError } from '../errors.js';
import type { Model } from '../model.js';
import type { ClassToken, VisionConfig } from './config.js';

/** Patches along one side of an image; 0 where not even one fits. */
const patchesAlong = (size: number, { patchSize, stride }: VisionConfig): number =>
  Math.max(0, Math.floor((size - patchSize) / stride) + 1);

/** The grid of patches of images of a size. */
export function gridOf([height, width]: readonly [number, number], config: VisionConfig): [rows: number, columns: number] {
  return [patchesAlong(height, config), patchesAlong(width, config)];
}

/** Positions of the class tokens among `patches` patches. */
export function classPositionsOf(classToken: ClassToken, patches: number): number[] {
  return { first: [0], middle: [Math.floor(patches / 2)], last: [patches], ends: [0, patches + 1], none: [] }[classToken];
}

/**
 * Images as a batch: every patch of patchSize × patchSize pixels, row by row of the grid.
 * @param pixels (b c h w), normalised
 * @throws ModelError for another number of channels, sizes that patches do not cover without a rest, or a number that is not finite
 */
export function imageBatch(
  model: Model<VisionConfig>,
  pixels: Float32Array,
  shape: readonly [batch: number, channels: number, height: number, width: number],
): ImageBatch {
  const { config } = model;
  const [count, channels, height, width] = shape;
  const { patchSize: size, stride } = config;
  if (pixels.length !== count * channels * height * width || count < 1)
    throw new ModelError(
      `${pixels.length} numbers were given for images of shape (${shape.join(', ')}); at least one image, and all its numbers, are needed`,
    );
  if (channels !== config.channels) throw new ModelError(`the images have ${channels} channels; this model reads ${config.channels}`);
  const [rows, columns] = gridOf([height, width], config);
  const rest = [height, width].find((side) => side < size || (side - size) % stride !== 0);
  if (rest !== undefined)
    throw new ModelError(
      `the images are ${height} × ${width} pixels; patches of ${size}, ${stride} apart, do not cover ${rest}. Resize them, for example to ${config.imageSize.join(' × ')}`,
    );
  const bad = pixels.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) throw new ModelError(`number ${bad} of the pixels is ${pixels[bad]}; finite numbers are needed`);
  const each = channels * size * size;
  const patches = new Float32Array(count * rows * columns * each);
  let at = 0;
  for (let image = 0; image < count; image++)
    for (let row = 0; row < rows; row++)
      for (let column = 0; column < columns; column++)
        for (let channel = 0; channel < channels; channel++)
          for (let y = 0; y < size; y++) {
            const from = ((image * channels + channel) * height + row * stride + y) * width + column * stride;
            patches.set(pixels.subarray(from, from + size), at);
            at += size;
          }
  const classPositions = classPositionsOf(config.classToken, rows * columns);
  return {
    patches: Tensor.from(patches, [count, rows * columns, each], model.device),
    grid: [rows, columns],
    lengths: new Array<number>(count).fill(rows * columns + classPositions.length),
    lengthsTensor: undefined,
    classPositions,
  };
}
