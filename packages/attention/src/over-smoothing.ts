import type { Batch, Model } from '@hidden-attention/model';
import { scope } from '@hidden-attention/tensor';

/**
 * How alike positions become with depth: the mean cosine similarity of all pairs of positions, of what enters the first layer and of
 * what leaves each, M = 2/(n(n−1)) Σ_i Σ_{j>i} cos(X_i, X_j) (Ali, Zimerman, Wolf 2024, first version, equation 24; over-smoothing).
 * @returns one list for each row of the batch, of layers + 1 numbers between −1/(n−1) and 1; NaN of a row with one position
 */
export async function overSmoothing(model: Model, batch: Batch): Promise<number[][]> {
  const names = ['embeddings', ...Array.from({ length: model.config.layers }, (_, layer) => `layers.${layer}.output`)];
  const captured = scope(() => {
    const all = model.forward(batch, { capture: names, logits: 'none' }).captured;
    return names.map((name) => all[name]!);
  });
  const depths = await Promise.all(
    captured.map(async (hidden) => ({ numbers: (await hidden.read()) as Float32Array, shape: hidden.shape })),
  );
  for (const hidden of captured) hidden.dispose();
  return batch.lengths.map((own, row) =>
    depths.map(({ numbers, shape: [, length, width] }) =>
      meanCosine(numbers.subarray(row * length! * width!, (row * length! + own) * width!), width!),
    ),
  );
}

/** Mean cosine of all pairs of rows (n m): |Σ x̂_i|² = n + 2·Σ_{i<j} cos. */
function meanCosine(rows: Float32Array, width: number): number {
  const sum = new Float64Array(width);
  const count = rows.length / width;
  for (let start = 0; start < rows.length; start += width) {
    const own = rows.subarray(start, start + width);
    const size = Math.hypot(...own);
    for (let i = 0; i < width; i++) sum[i]! += size === 0 ? 0 : own[i]! / size;
  }
  const square = sum.reduce((total, value) => total + value * value, 0);
  return (square - count) / (count * (count - 1));
}
