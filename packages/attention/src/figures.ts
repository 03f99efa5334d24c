import { concat, divide, matmul, reshape, scope, slice, square, sum, type Float, type Tensor } from '@hidden-attention/tensor';
import { isSoftmax, type LayerView } from './view.js';

/** What the matrices of a layer look like, in numbers: means over the rows of a matrix, then over channels (heads of softmax attention). */
export interface AttentionFigures {
  /** −Σ p·log p of the sizes in a row, p = |α_ij| / Σ_j |α_ij|, as a share of the largest possible: 0 one position, 1 all alike */
  entropy: number;
  /** Σ_j |i − j|·|α_ij| / Σ_j |α_ij|, in positions (DeciMamba's mean distance, Ben-Kish et al. 2025, of all rows) */
  distance: number;
  /** how many directions the matrix acts in: (Σ σ²)² / Σ σ⁴ of its singular values σ, the participation ratio; at most L */
  rank: number;
  /** (√n − Σ|α| / √Σα²) / (√n − 1) of the n numbers of a row (Hoyer 2004): 0 all alike, 1 all but one are zero */
  sparsity: number;
  /** share of a row's numbers that are smaller than a hundredth of its largest */
  nearZero: number;
  /** share of the numbers that are below zero, and of the sum of sizes that is theirs */
  negative: number;
  negativeWeight: number;
}

const names = ['entropy', 'distance', 'rank', 'sparsity', 'nearZero', 'negative', 'negativeWeight'] as const;

/**
 * The figures of one matrix, its rank apart. A row that reads forwards has as many numbers as positions up to its own; rows with fewer than two
 * numbers say nothing and are left out, as are rows that are zero throughout.
 * @param values (L L), row-major
 * @param causal whether what lies above the diagonal is no part of the matrix
 */
export function figuresOfMatrix(values: Float32Array, length: number, causal: boolean): Omit<AttentionFigures, 'rank'> {
  const sums = { entropy: 0, distance: 0, sparsity: 0, nearZero: 0, negative: 0, negativeWeight: 0 };
  let rows = 0;
  for (let i = causal ? 1 : 0; i < length; i++) {
    const count = causal ? i + 1 : length;
    if (count < 2) continue;
    const row = values.subarray(i * length, i * length + count);
    let [size, squares, largest, spans, below, belowSize] = [0, 0, 0, 0, 0, 0];
    for (let j = 0; j < count; j++) {
      const value = row[j]!;
      const own = Math.abs(value);
      size += own;
      squares += own * own;
      spans += Math.abs(i - j) * own;
      if (own > largest) largest = own;
      if (value < 0) {
        below++;
        belowSize += own;
      }
    }
    if (size === 0) continue;
    let [entropy, small] = [0, 0];
    for (let j = 0; j < count; j++) {
      const own = Math.abs(row[j]!);
      if (own > 0) entropy -= (own / size) * Math.log(own / size);
      if (own < 0.01 * largest) small++;
    }
    const root = Math.sqrt(count);
    rows++;
    sums.entropy += entropy / Math.log(count);
    sums.distance += spans / size;
    sums.sparsity += (root - size / Math.sqrt(squares)) / (root - 1);
    sums.nearZero += small / count;
    sums.negative += below / count;
    sums.negativeWeight += belowSize / size;
  }
  const mean = (sum: number): number => (rows === 0 ? 0 : sum / rows);
  return {
    entropy: mean(sums.entropy),
    distance: mean(sums.distance),
    sparsity: mean(sums.sparsity),
    nearZero: mean(sums.nearZero),
    negative: mean(sums.negative),
    negativeWeight: mean(sums.negativeWeight),
  };
}

/** (Σ σ²)² / Σ σ⁴ of each of some matrices (c l l): Σ σ² is the sum of the squares of M, Σ σ⁴ that of M·Mᵀ. Not a number where M is zero. */
function ranksOf(matrices: Tensor): Tensor<Float> {
  const [count, length] = matrices.shape as [number, number];
  const each = Array.from({ length: count }, (_, i) =>
    scope(() => {
      const own = slice(matrices, 0, i, i + 1).view([length, length]);
      const fourth = sum(square(matmul(own, own, { transposeB: true })));
      return reshape(divide(square(sum(square(own))), fourth), [1]);
    }),
  );
  return concat(each, 0);
}

/**
 * What a layer's matrices look like, one result for each row of the batch. Reads the matrices, and takes time in the third power of
 * the length for the rank: meant for hundreds of positions, or a few channels.
 * @param options.channels which matrices: default all
 */
export async function attentionFigures(
  layer: LayerView,
  options: { channels?: readonly number[] | 'all' } = {},
): Promise<AttentionFigures[]> {
  const { lengths, kind, dynamics } = layer;
  const causal = kind === 'scan' || (isSoftmax(dynamics) && dynamics.causal);
  using matrix = layer.matrix({ channels: options.channels ?? 'all' }); //                          (b c l l)
  const [, channels, , length] = matrix.shape as [number, number, number, number];
  using found = scope(() => ranksOf(matrix.view([matrix.shape[0]! * channels, length, length])));
  const [numbers, ranks] = await Promise.all([matrix.read(), found.read()]);
  return lengths.map((own, row) => {
    const total = Object.fromEntries(names.map((name) => [name, 0])) as unknown as AttentionFigures;
    for (let channel = 0; channel < channels; channel++) {
      const at = row * channels + channel;
      const values = cornerOf(numbers.subarray(at * length * length, (at + 1) * length * length), length, own);
      const figures: AttentionFigures = { ...figuresOfMatrix(values, own, causal), rank: ranks[at]! || 0 };
      for (const name of names) total[name] += figures[name] / channels;
    }
    return total;
  });
}

/** The first `own` rows and columns of a matrix. */
function cornerOf(values: Float32Array, length: number, own: number): Float32Array {
  if (own === length) return values;
  const corner = new Float32Array(own * own);
  for (let i = 0; i < own; i++) corner.set(values.subarray(i * length, i * length + own), i * own);
  return corner;
}
