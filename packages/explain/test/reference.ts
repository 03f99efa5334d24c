// The paper's maps in float64 and with whole matrices, straight from their formulas (math.md sections 2 and 5): slow, and meant to be.
import type { Dynamics } from '@hidden-attention/model';

export { distance } from '../../../test/numbers.js';

/** A matrix, by rows. */
export type Matrix = Float64Array[];

export const zeros = (rows: number, columns: number): Matrix => Array.from({ length: rows }, () => new Float64Array(columns));

/** α[d][i,j] = Σ_n C_i[n]·exp(A[d,n]·Σ_{k=j+1..i} Δ_k[d])·Δ_j[d]·B_j[n], for one text; `literal`: decay over k = j+1..i−1, no diagonal. */
export async function alpha(dynamics: Dynamics, row: 'exact' | 'literal' = 'exact'): Promise<Matrix[]> {
  const [, length, channels] = dynamics.delta.shape as [number, number, number];
  const states = dynamics.A.shape[1]!;
  const [delta, A, B, C] = (await Promise.all([dynamics.delta, dynamics.A, dynamics.B, dynamics.C].map((tensor) => tensor.read()))) as [
    Float32Array,
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  return Array.from({ length: channels }, (_, d) => {
    const matrix = zeros(length, length);
    for (let i = 0; i < length; i++) {
      let decay = 0;
      for (let j = row === 'exact' ? i : i - 1; j >= 0; j--) {
        for (let n = 0; n < states; n++)
          matrix[i]![j]! += C[i * states + n]! * Math.exp(A[d * states + n]! * decay) * delta[j * channels + d]! * B[j * states + n]!;
        decay += delta[j * channels + d]!;
      }
    }
    return matrix;
  });
}

export const aggregates = { mean: (x: number) => x, meanAbs: Math.abs, meanPositive: (x: number) => Math.max(x, 0) };
export const clamps = { none: (x: number) => x, positive: (x: number) => Math.max(x, 0), absolute: Math.abs };

/** clamp(g_j · reduce_d α[d][i,j]) */
export function edge(
  matrices: Matrix[],
  aggregate: keyof typeof aggregates,
  clamp: keyof typeof clamps,
  columns?: ArrayLike<number>,
): Matrix {
  const length = matrices[0]!.length;
  const result = zeros(length, length);
  for (let i = 0; i < length; i++) {
    for (let j = 0; j < length; j++) {
      const mean = matrices.reduce((sum, matrix) => sum + aggregates[aggregate](matrix[i]![j]!), 0) / matrices.length;
      result[i]![j] = clamps[clamp](mean * (columns ? columns[j]! : 1));
    }
  }
  return result;
}

/** Each row divided by its sum, where `rows`; a row of zeros stays one. */
export function normalized(matrix: Matrix, normalize: 'none' | 'rows'): Matrix {
  const divided = (row: Float64Array, total: number): Float64Array => (total === 0 ? row : row.map((value) => value / total));
  return normalize === 'none'
    ? matrix
    : matrix.map((row) =>
        divided(
          row,
          row.reduce((sum, x) => sum + x, 0),
        ),
      );
}

export function withIdentity(matrix: Matrix): Matrix {
  return matrix.map((row, i) => row.map((value, j) => value + (i === j ? 1 : 0)));
}

export function product(a: Matrix, b: Matrix): Matrix {
  return a.map((row) => b[0]!.map((_, j) => row.reduce((sum, value, k) => sum + value * b[k]![j]!, 0)));
}

/** startᵀ·matrix */
export function rowOf(start: ArrayLike<number>, matrix: Matrix): Float64Array {
  return matrix[0]!.map((_, j) => matrix.reduce((sum, row, i) => sum + start[i]! * row[j]!, 0));
}
