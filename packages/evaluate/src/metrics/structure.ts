import type { Metric } from '../metric.js';
import { minMaxed } from '../ranking.js';

const [c1, c2] = [0.01 ** 2, 0.03 ** 2];

/**
 * Structural similarity (Wang et al. 2004) of two maps stretched to 0…1: the mean over all windows of 7 × 7 pixels (or the whole
 * picture, where it is smaller), each weighted alike.
 */
export const structure: Metric = {
  name: 'ssim',
  summary: 'structural similarity of the pictures',
  cite: 'Wang, Bovik, Sheikh, Simoncelli 2004; as in Adebayo et al. 2018',
  compare({ pixels }) {
    if (!pixels) return undefined;
    const [height, width] = pixels.size;
    const [a, b] = [minMaxed(pixels.a), minMaxed(pixels.b)];
    const [tall, wide] = [Math.min(7, height), Math.min(7, width)];
    let [sum, windows] = [0, 0];
    for (let top = 0; top + tall <= height; top++)
      for (let left = 0; left + wide <= width; left++) {
        let [sa, sb, saa, sbb, sab] = [0, 0, 0, 0, 0];
        for (let y = top; y < top + tall; y++)
          for (let x = left; x < left + wide; x++) {
            const [p, q] = [a[y * width + x]!, b[y * width + x]!];
            [sa, sb, saa, sbb, sab] = [sa + p, sb + q, saa + p * p, sbb + q * q, sab + p * q];
          }
        const n = tall * wide;
        const [ma, mb] = [sa / n, sb / n];
        const [va, vb, cov] = [saa / n - ma * ma, sbb / n - mb * mb, sab / n - ma * mb];
        sum += ((2 * ma * mb + c1) * (2 * cov + c2)) / ((ma * ma + mb * mb + c1) * (va + vb + c2));
        windows++;
      }
    return sum / windows;
  },
};
