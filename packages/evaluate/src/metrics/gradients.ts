import { pearson } from '../correlation.js';
import type { Metric } from '../metric.js';
import { minMaxed } from '../ranking.js';

const [cell, bins] = [7, 9];

/** Histograms of oriented gradients: 9 directions (unsigned) in cells of 7 × 7 pixels, each cell scaled to length 1. */
function histograms(map: Float64Array, [height, width]: readonly [number, number]): Float64Array {
  const [down, across] = [Math.ceil(height / cell), Math.ceil(width / cell)];
  const result = new Float64Array(down * across * bins);
  const at = (y: number, x: number): number => map[Math.min(height - 1, Math.max(0, y)) * width + Math.min(width - 1, Math.max(0, x))]!;
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const [dy, dx] = [at(y + 1, x) - at(y - 1, x), at(y, x + 1) - at(y, x - 1)];
      const angle = (Math.atan2(dy, dx) + Math.PI) % Math.PI;
      const bin = Math.min(bins - 1, Math.floor((angle / Math.PI) * bins));
      result[(Math.floor(y / cell) * across + Math.floor(x / cell)) * bins + bin]! += Math.hypot(dy, dx);
    }
  for (let start = 0; start < result.length; start += bins) {
    const own = result.subarray(start, start + bins);
    const length = Math.hypot(...own);
    if (length > 0) own.forEach((value, i) => (own[i] = value / length));
  }
  return result;
}

/** Correlation of the maps' histograms of oriented gradients (Dalal and Triggs 2005). */
export const gradients: Metric = {
  name: 'hog',
  summary: 'correlation of histograms of oriented gradients',
  cite: 'Dalal, Triggs 2005; as in Adebayo et al. 2018',
  compare: ({ pixels }) => pixels && pearson(histograms(minMaxed(pixels.a), pixels.size), histograms(minMaxed(pixels.b), pixels.size)),
};
