import type { ScanDynamics } from '@hidden-attention/model';
import {
  attentionMatrix,
  attentionMatrixReduced,
  concat,
  multiply,
  reshape,
  scope,
  selectiveScan,
  selectiveScanTransposed,
  slice,
  sumLast,
  Tensor,
  type Float,
} from '@hidden-attention/tensor';
import { pickRows } from './channels.js';
import type { TriangularOperator } from './layer.js';
import type { RowRange } from './positions.js';

/**
 * The bare scan as attention: α[d][i,j] = Σ_n C_i[n]·exp(A[d,n]·Σ_{k=j+1..i} Δ_k[d])·Δ_j[d]·B_j[n], without D and gate
 * (math.md section 2; paper eq. 14 to 17). It acts on the scan's input x′.
 */
export function scanOperator(name: string, dynamics: ScanDynamics, lengths: readonly number[]): TriangularOperator {
  const { delta, A, B, C } = dynamics;
  const kernel = { delta, A, B, C };
  const shape = delta.shape as unknown as [number, number, number];
  return {
    name,
    shape,
    lengths,
    device: delta.device,
    apply: (v) => scope(() => selectiveScan({ u: v, ...dynamics }).y),
    applyTransposed: (g) => selectiveScanTransposed({ ...dynamics, g }),
    rowInEveryChannel: (positions) =>
      positions.every((position) => position === positions[0]) ? selectiveScanTransposed(dynamics, { position: positions[0]! }) : undefined,
    matrixOf: (channels, { start, end }) => attentionMatrix(kernel, { channels, rowStart: start, rows: end - start }),
    matrixReduced: (reduce, { start, end }) => attentionMatrixReduced(kernel, { reduce, rowStart: start, rows: end - start }),
    diagonal: () => scanDiagonal(dynamics),
  };
}

/** The same dynamics with a Δ and an A for each of `channels` channels, where heads share one (Mamba-2). */
export function byChannel({ delta, A, B, C, starts }: ScanDynamics, channels: number): ScanDynamics {
  const [rows, length, heads] = delta.shape as [number, number, number];
  if (heads === channels) return { delta, A, B, C, starts };
  const each = channels / heads;
  const spread = (x: Tensor, shape: readonly number[]): Tensor<Float> =>
    reshape(multiply(Tensor.full([x.size, each], 1, x.device), x.view([x.size, 1])), shape);
  return {
    delta: spread(delta, [rows, length, channels]),
    A: pickRows(
      A,
      Array.from({ length: channels }, (_, channel) => Math.floor(channel / each)),
    ),
    B,
    C,
    starts,
  };
}

/** C_i·B_i·Δ_i, with no decay: (b l d). */
export function scanDiagonal({ delta, B, C }: ScanDynamics): Tensor<Float> {
  return scope(() => {
    const [rows, length, groups] = B.shape as [number, number, number];
    const [, , channels] = delta.shape as [number, number, number];
    const each = sumLast(multiply(B, C)).view([rows * length * groups, 1]); //                        (b l g)
    return multiply(delta.view([rows * length * groups, channels / groups]), each).view(delta.shape);
  });
}

/** value (b l …) with every position's content moved one place: later to earlier (+1) or earlier to later (−1); zeros move in. */
function shifted(value: Tensor, by: 1 | -1): Tensor<Float> {
  const length = value.shape[1]!;
  const none = Tensor.full([value.shape[0]!, 1, ...value.shape.slice(2)], 0, value.device);
  return by === 1 ? concat([slice(value, 1, 1, length), none], 1) : concat([none, slice(value, 1, 0, length - 1)], 1);
}

/**
 * α as the paper's released code has its rows: the decay of the row's own step is left out, and so is the diagonal
 * (golden/RECIPES.md, `literal`). Row t is row t − 1 of an α whose C is that of the following position, so the same scans do.
 */
export function literalOperator(name: string, dynamics: ScanDynamics, lengths: readonly number[]): TriangularOperator {
  const exact = scanOperator(name, dynamics, lengths);
  const [rows, length] = exact.shape;
  const next = (): TriangularOperator => scanOperator(name, { ...dynamics, C: shifted(dynamics.C, 1) }, lengths); // in the caller's scope
  const downOne = ({ start, end }: RowRange, leading: number[], matrix: (range: RowRange) => Tensor<Float>): Tensor<Float> => {
    if (start > 0) return matrix({ start: start - 1, end: end - 1 });
    const first = Tensor.full([...leading, 1, length], 0, exact.device);
    return end === 1 ? first : concat([first, matrix({ start: 0, end: end - 1 })], leading.length);
  };
  return {
    ...exact,
    apply: (v) => scope(() => shifted(next().apply(v), -1)),
    applyTransposed: (g) => scope(() => next().applyTransposed(shifted(g, 1))),
    rowInEveryChannel: () => undefined,
    diagonal: () => Tensor.full(exact.shape, 0, exact.device),
    matrixOf: (channels, range) => scope(() => downOne(range, [rows, channels.length], (part) => next().matrixOf(channels, part))),
    matrixReduced: (reduce, range) => scope(() => downOne(range, [rows], (part) => next().matrixReduced(reduce, part))),
  };
}
