import { CheckpointError } from '../errors.js';
import { blank, type RgbImage } from './image.js';
import type { ImageProcessing } from './processing.js';
import { filters, resize } from './resample.js';

/** An image as a model takes it, and as people see it. */
export interface PreparedImage {
  /** 3 · height · width numbers, channel by channel, normalised */
  pixels: Float32Array<ArrayBuffer>;
  /** the picture after resizing and cropping, before its numbers were changed */
  shown: RgbImage;
}

/** Most pixels that a resized picture may have. */
const pixelLimit = 64e6;

/**
 * Resizes, crops and normalises a picture as Hugging Face's ViTImageProcessor does with Pillow: 8 bits until the numbers are rescaled,
 * (value · rescale_factor − mean) / std in f32.
 * @throws CheckpointError where a long picture, its shorter side made `shortest_edge`, would become larger than 64 megapixels
 */
export function prepareImage(image: RgbImage, processing: ImageProcessing): PreparedImage {
  let shown = image;
  if (processing.do_resize) {
    const { width, height } = resizedSize(image, processing.size);
    if (width * height > pixelLimit)
      throw new CheckpointError(
        `the image has ${image.width} × ${image.height} pixels; resized to ${width} × ${height} it has more than ${pixelLimit / 1e6} megapixels; cut it first`,
      );
    shown = resize(image, width, height, filters[processing.resample]!);
  }
  if (processing.do_center_crop && processing.crop_size) shown = centerCrop(shown, processing.crop_size);
  const area = shown.width * shown.height;
  const pixels = new Float32Array(3 * area);
  for (let c = 0; c < 3; c++) {
    const values = valuesOf(processing, c);
    for (let i = 0; i < area; i++) pixels[c * area + i] = values[shown.data[3 * i + c]!]!;
  }
  return { pixels, shown };
}

/**
 * The picture that normalised numbers stand for, each rounded to the nearest of 256 values and kept among them.
 * @param pixels 3 · height · width numbers, channel by channel
 * @param size the picture's; default: what `processing` makes of every image
 * @throws CheckpointError where the numbers do not fill the size, or it is not known
 */
export function denormalize(
  pixels: ArrayLike<number>,
  processing: ImageProcessing,
  size: { width: number; height: number } | undefined = preparedSize(processing),
): RgbImage {
  if (!size) throw new CheckpointError('denormalize: the size of a picture whose shortest_edge is set depends on the image; give its size');
  const area = size.width * size.height;
  if (pixels.length !== 3 * area)
    throw new CheckpointError(
      `denormalize: there are ${pixels.length} numbers; 3 channels of ${size.height} × ${size.width} are ${3 * area}`,
    );
  const image = blank(size.width, size.height);
  const factor = processing.do_rescale ? processing.rescale_factor : 1;
  for (let c = 0; c < 3; c++) {
    const [mean, std] = processing.do_normalize ? [processing.image_mean[c]!, processing.image_std[c]!] : [0, 1];
    for (let i = 0; i < area; i++) {
      const value = Math.round((pixels[c * area + i]! * std + mean) / factor);
      image.data[3 * i + c] = Math.min(255, Math.max(0, value));
    }
  }
  return image;
}

/** Width and height of every prepared image; undefined where they depend on the image. */
export function preparedSize(processing: ImageProcessing): { width: number; height: number } | undefined {
  if (processing.do_center_crop) return processing.crop_size;
  return processing.do_resize && 'height' in processing.size ? processing.size : undefined;
}

function resizedSize({ width, height }: RgbImage, size: ImageProcessing['size']): { width: number; height: number } {
  if ('height' in size) return size;
  const short = size.shortest_edge;
  // the longer side is cut to a whole number, not rounded
  return width <= height
    ? { width: short, height: Math.trunc((short * height) / width) }
    : { width: Math.trunc((short * width) / height), height: short };
}

/** The middle of a picture; where it is smaller, black around it. Odd differences leave the greater part right and below. */
function centerCrop(image: RgbImage, { width, height }: { width: number; height: number }): RgbImage {
  if (width === image.width && height === image.height) return image;
  const left = Math.floor((image.width - width) / 2);
  const top = Math.floor((image.height - height) / 2);
  const cropped = blank(width, height);
  const [from, to] = [Math.max(0, left), Math.min(image.width, left + width)];
  for (let y = Math.max(0, top); y < Math.min(image.height, top + height); y++) {
    const row = image.data.subarray((y * image.width + from) * 3, (y * image.width + to) * 3);
    cropped.data.set(row, ((y - top) * width + from - left) * 3);
  }
  return cropped;
}

/** What each of the 256 values becomes in a channel, rounded to f32 at each step. */
function valuesOf(processing: ImageProcessing, channel: number): Float32Array {
  const { fround } = Math;
  const [mean, std] = [fround(processing.image_mean[channel]!), fround(processing.image_std[channel]!)];
  return Float32Array.from({ length: 256 }, (_, value) => {
    const scaled = fround(processing.do_rescale ? value * processing.rescale_factor : value);
    return processing.do_normalize ? fround(fround(scaled - mean) / std) : scaled;
  });
}
