import { attentionView } from '@hidden-attention/attention';
import { disposeBatch, isImages, type Batch, type Model } from '@hidden-attention/model';

/** One layer's attention of one input: the mean over channels of |α| (l l), row-major. */
export interface MeanMatrix {
  values: Float32Array;
  length: number;
}

/** That of every layer, without the rows and columns of class tokens: positions are then patches, or tokens. */
export async function meanMatrices(model: Model, batch: Batch): Promise<MeanMatrix[]> {
  const classes = new Set(isImages(batch) ? batch.classPositions : []);
  const view = await attentionView(model, batch);
  const layers: MeanMatrix[] = [];
  for (let index = 0; index < view.layers; index++) {
    const matrix = view.layer(index).matrix({ reduce: 'meanAbs' });
    const all = (await matrix.read()) as Float32Array;
    matrix.dispose();
    const full = Math.sqrt(all.length);
    const kept = Array.from({ length: full }, (_, at) => at).filter((at) => !classes.has(at));
    layers.push({ length: kept.length, values: Float32Array.from(kept.flatMap((i) => kept.map((j) => all[i * full + j]!))) });
  }
  view.dispose();
  disposeBatch(batch);
  return layers;
}

/** Σ_j |i − j|·|α_ij| / Σ_j |α_ij|, mean over the rows. */
export function meanDistance({ values, length }: MeanMatrix): number {
  let total = 0;
  for (let i = 0; i < length; i++) {
    let [span, size] = [0, 0];
    for (let j = 0; j < length; j++) {
      const weight = values[i * length + j]!;
      span += Math.abs(i - j) * weight;
      size += weight;
    }
    total += size === 0 ? 0 : span / size;
  }
  return total / length;
}

/** The autocorrelation of a row of the matrix at lag k, mean over the rows: 1 at lag 0. */
export function autocorrelation({ values, length }: MeanMatrix, lag: number): number {
  let total = 0;
  for (let i = 0; i < length; i++) {
    const row = values.subarray(i * length, (i + 1) * length);
    const mean = row.reduce((sum, value) => sum + value, 0) / length;
    let [shifted, size] = [0, 0];
    for (let j = 0; j < length; j++) {
      size += (row[j]! - mean) ** 2 / length;
      if (j + lag < length) shifted += ((row[j]! - mean) * (row[j + lag]! - mean)) / (length - lag);
    }
    total += size === 0 ? 0 : shifted / size;
  }
  return total / length;
}

/** Mean of |α_ij| over all i and j that are k apart, by k. */
export function byOffset({ values, length }: MeanMatrix): Float64Array {
  const sums = new Float64Array(length);
  for (let i = 0; i < length; i++) for (let j = 0; j < length; j++) sums[Math.abs(i - j)]! += values[i * length + j]!;
  return sums.map((sum, k) => sum / ((k === 0 ? 1 : 2) * (length - k)));
}
