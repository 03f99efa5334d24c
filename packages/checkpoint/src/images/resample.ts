import { blank, type RgbImage } from './image.js';

/** A kernel that weighs the pixels around a place; it is 0 from `support` pixels on. */
interface Filter {
  support: number;
  weight(distance: number): number;
}

/** Kernels by the number that Pillow and Hugging Face's `resample` give them. */
export const filters: Readonly<Record<number, Filter & { name: string }>> = {
  2: { name: 'bilinear', support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  3: { name: 'bicubic', support: 2, weight: (x) => cubic(Math.abs(x)) },
};

/** Cubic convolution with a = −1/2 (Keys 1981, "Cubic convolution interpolation for digital image processing", equation 15). */
function cubic(x: number): number {
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

/**
 * Resizes a picture as Pillow's `Image.resize` does, bit for bit: along rows, then along columns, with a kernel that is stretched by
 * the ratio where the picture shrinks (so that every pixel counts), weights of 22 binary places and each pass rounded to 8 bits.
 */
export function resize(image: RgbImage, width: number, height: number, filter: Filter): RgbImage {
  return resizeColumns(resizeRows(image, width, filter), height, filter);
}

function resizeRows(image: RgbImage, width: number, filter: Filter): RgbImage {
  if (width === image.width) return image;
  const taps = tapsOf(image.width, width, filter);
  const result = blank(width, image.height);
  for (let y = 0, to = 0; y < image.height; y++) {
    const row = y * image.width * 3;
    for (const { first, weights } of taps) {
      for (let c = 0; c < 3; c++) result.data[to++] = weighed(image.data, row + 3 * first + c, 3, weights);
    }
  }
  return result;
}

function resizeColumns(image: RgbImage, height: number, filter: Filter): RgbImage {
  if (height === image.height) return image;
  const taps = tapsOf(image.height, height, filter);
  const stride = image.width * 3;
  const result = blank(image.width, height);
  let to = 0;
  for (const { first, weights } of taps) {
    for (let x = 0; x < stride; x++) result.data[to++] = weighed(image.data, first * stride + x, stride, weights);
  }
  return result;
}

/** Binary places of a weight: a sum of products with 8 bits then fits 32. */
const places = 22;

/** The sum of weights times values, rounded and kept within 0 to 255. */
function weighed(data: Uint8Array, at: number, stride: number, weights: Int32Array): number {
  let sum = 1 << (places - 1);
  for (let i = 0; i < weights.length; i++, at += stride) sum += data[at]! * weights[i]!;
  const value = sum >> places;
  return value < 0 ? 0 : value > 255 ? 255 : value;
}

/** For each of `to` pixels, which of `from` pixels make it: the first, and the weights from there on, which sum to 1. */
function tapsOf(from: number, to: number, { support, weight }: Filter): { first: number; weights: Int32Array }[] {
  const scale = from / to;
  const stretch = Math.max(1, scale);
  return Array.from({ length: to }, (_, i) => {
    const center = (i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(center - support * stretch + 0.5));
    const end = Math.min(from, Math.trunc(center + support * stretch + 0.5));
    const reals = Array.from({ length: end - first }, (__, k) => weight((first + k - center + 0.5) * (1 / stretch)));
    const total = reals.reduce((sum, real) => sum + real, 0);
    return { first, weights: Int32Array.from(reals, (real) => roundedHalfAway((real / total) * 2 ** places)) };
  });
}

const roundedHalfAway = (value: number): number => Math.trunc(value + (value < 0 ? -0.5 : 0.5));
