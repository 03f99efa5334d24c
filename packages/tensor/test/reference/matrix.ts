// Matrix products in float64.
import { array, type HostArray } from '../support.js';

/** Rows and columns exchanged. */
export function flipped({ shape: [rows, columns], data }: HostArray): HostArray {
  return array([columns!, rows!], (i) => data[(i % rows!) * columns! + Math.floor(i / rows!)]!);
}

/** a (m k) · b (k n) */
export function matmul(a: HostArray, b: HostArray): HostArray {
  const [m, k] = a.shape as [number, number];
  const n = b.shape[1]!;
  return array([m, n], (i) => {
    const [row, column] = [Math.floor(i / n), i % n];
    let sum = 0;
    for (let p = 0; p < k; p++) sum += a.data[row * k + p]! * b.data[p * n + column]!;
    return sum;
  });
}
