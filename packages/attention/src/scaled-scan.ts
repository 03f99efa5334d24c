import type { ScanDynamics } from '@hidden-attention/model';
import {
  attentionMatrix,
  attentionMatrixReduced,
  concat,
  multiply,
  scope,
  selectiveScan,
  selectiveScanTransposed,
  slice,
  Tensor,
  type Float,
} from '@hidden-attention/tensor';
import { pickRows, type Reduce } from './channels.js';
import type { TriangularOperator } from './layer.js';
import type { RowRange } from './positions.js';
import { scanDiagonal } from './scan.js';

/** Factors of a layer's rows and columns, in every channel: (b l d) each. */
export interface Scales {
  rows: Tensor;
  columns: Tensor;
}

/** x (b l g n) → (b l d n), each group's numbers for each of its channels, times factors (b l d). */
function inChannels(x: Tensor, factors: Tensor): Tensor<Float> {
  const [rows, length, groups, states] = x.shape as [number, number, number, number];
  const channels = factors.shape[2]!;
  const one = x.view([rows, length, groups, 1, states]);
  const all = concat(new Array<Tensor>(channels / groups).fill(one), 3).view([rows * length * channels, states]);
  return multiply(all, factors.view([rows * length * channels, 1])).view([rows, length, channels, states]);
}

/** The mean over channels of f(rows_i·α[d][i,j]·columns_j): (b rows l), f the number itself, its absolute value or its positive part. */
export function scaledReduced(
  { delta, A, B, C }: ScanDynamics,
  { rows, columns }: Scales,
  reduce: Reduce,
  { start, end }: RowRange,
): Tensor<Float> {
  return attentionMatrixReduced({ delta, A, B, C, rowScale: rows, columnScale: columns }, { reduce, rowStart: start, rows: end - start });
}

/**
 * A scan's attention with its rows and columns scaled: diag(rows)·α·diag(columns), channel by channel. With rows ∂score/∂y and columns
 * x′ its entries are those of the chain rule, α ⊙ ∂score/∂α (math.md section 5).
 */
export function scaledScanOperator(name: string, dynamics: ScanDynamics, scales: Scales, lengths: readonly number[]): TriangularOperator {
  const { delta, A, B, C } = dynamics;
  const shape = delta.shape as unknown as [number, number, number];
  return {
    name,
    shape,
    lengths,
    device: delta.device,
    apply: (v) => scope(() => multiply(selectiveScan({ u: multiply(v, scales.columns), ...dynamics }).y, scales.rows)),
    applyTransposed: (g) => scope(() => multiply(selectiveScanTransposed({ ...dynamics, g: multiply(g, scales.rows) }), scales.columns)),
    matrixOf: (channels, { start, end }) =>
      scope(() => {
        const some = (x: Tensor): Tensor<Float> => pickChannels(x, channels);
        const group = (x: Tensor): Tensor => groupsOfChannels(x, channels, shape[2]);
        const factors = { rows: some(scales.rows), columns: some(scales.columns) };
        return attentionMatrix(
          { delta: some(delta), A: pickRows(A, channels), B: inChannels(group(B), factors.columns), C: inChannels(group(C), factors.rows) },
          { channels: channels.map((_, at) => at), rowStart: start, rows: end - start },
        );
      }),
    matrixReduced: (reduce, range) => scaledReduced(dynamics, scales, reduce, range),
    diagonal: () => scope(() => multiply(multiply(scanDiagonal(dynamics), scales.rows), scales.columns)),
  };
}

/** Some channels of x (b l d), in the order asked for: (b l c). */
function pickChannels(x: Tensor, channels: readonly number[]): Tensor<Float> {
  return concat(
    channels.map((channel) => slice(x, 2, channel, channel + 1)),
    2,
  );
}

/** The group of each of some channels: x (b l g n) → (b l c n). */
function groupsOfChannels(x: Tensor, channels: readonly number[], count: number): Tensor<Float> {
  const groups = x.shape[2]!;
  return concat(
    channels.map((channel) => slice(x, 2, Math.floor((channel * groups) / count), Math.floor((channel * groups) / count) + 1)),
    2,
  );
}
