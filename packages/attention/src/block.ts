import type { BlockParts } from '@hidden-attention/model';
import {
  add,
  affine,
  attentionMatrix,
  causalConv1d,
  concat,
  matmul,
  multiply,
  reshape,
  scope,
  selectiveScan,
  selectiveScanTransposed,
  sigmoid,
  slice,
  sumLast,
  Tensor,
  transpose,
  type Float,
} from '@hidden-attention/tensor';
import { pickRows, sumKinds, type Reduce } from './channels.js';
import type { TriangularOperator } from './layer.js';
import { scanDiagonal } from './scan.js';
import type { RowRange } from './positions.js';
import { causalConv1dTransposed } from './transposed.js';

/** Numbers that a piece of the block's matrices may hold on the way. */
const pieceSize = 2 ** 21;

/**
 * The whole block between in_proj and out_proj as attention, exact at this input (math.md section 4):
 * diag(SiLU z)·(α + D·I)·diag(σ(c))·M. It acts on x, the input of the convolution. Without `skip` it is the published
 * "unified" form (Zimerman, Ali, Wolf, ICLR 2025), which leaves out D, and so is not exact.
 */
export function blockOperator(
  name: string,
  parts: BlockParts,
  lengths: readonly number[],
  { skip }: { skip: boolean },
): TriangularOperator {
  const { delta, A, B, C, starts, convWeight } = parts;
  const D = skip ? parts.D : undefined;
  const gate = (): Tensor => (skip ? sharedGate(parts) : parts.gate);
  const dynamics = { delta, A, B, C, starts };
  const shape = delta.shape as unknown as [number, number, number];
  const [batch, length, channels] = shape;

  /** Matrices of some channels of one row of the batch, channels last: (rows l c). */
  const piece = (row: number, numbers: readonly number[], { start, end }: RowRange): Tensor<Float> =>
    scope(() => {
      const count = numbers.length;
      const rows = end - start;
      const own = (value: Tensor): Tensor<Float> => slice(value, 0, row, row + 1);
      const ofChannels = (value: Tensor): Tensor<Float> => pickRows(transpose(value).view([channels, length]), numbers); // (1 l d) → (c l)
      let matrix: Tensor<Float> = attentionMatrix(
        { delta: own(delta), A, B: own(B), C: own(C) },
        { channels: numbers, rowStart: start, rows },
      ).view([count, rows * length]);
      if (D) matrix = add(matrix, matmul(pickRows(D.view([channels, 1]), numbers), diagonal(start, rows, length, delta)));
      const gates = slice(ofChannels(own(gate())), 1, start, end); //                        (c rows)
      const gated = multiply(matrix.view([count, rows, length]), gates.view([count, rows, 1])); //  (c rows l)
      const last = transpose(gated.view([count, rows * length])).view([rows, length, count]); //    (rows l c)
      const ratio = transpose(ofChannels(sigmoid(own(parts.conv)))); //                             (l c)
      return causalConv1dTransposed(multiply(last, ratio), pickRows(convWeight, numbers));
    });

  const matrixOf = (numbers: readonly number[], range: RowRange): Tensor<Float> =>
    scope(() => {
      const rows = range.end - range.start;
      const ofRow = (row: number): Tensor =>
        concat(
          inPieces(numbers, rows * length).map((some) => transpose(piece(row, some, range).view([rows * length, some.length]))),
          0,
        );
      return concat(
        Array.from({ length: batch }, (_, row) => ofRow(row)),
        0,
      ).view([batch, numbers.length, rows, length]);
    });

  const matrixReduced = (reduce: Reduce, { start, end }: RowRange): Tensor<Float> =>
    scope(() => {
      const all = Array.from({ length: channels }, (_, channel) => channel);
      const most = Math.max(1, Math.floor(pieceSize / (length * Math.min(channels, 16))));
      const bands = Array.from({ length: Math.ceil((end - start) / most) }, (_, i) => ({
        start: start + i * most,
        end: Math.min(end, start + (i + 1) * most),
      }));
      const ofBand = (row: number, band: RowRange): Tensor =>
        inPieces(all, (band.end - band.start) * length)
          .map((some) => () => sumLast(piece(row, some, band), sumKinds[reduce], 1 / channels)) //  (rows l)
          .reduce<Tensor | undefined>((sum, next) => scope(() => (sum ? add(sum, next()) : next())), undefined)!;
      return concat(
        Array.from({ length: batch }, (_, row) =>
          concat(
            bands.map((band) => ofBand(row, band)),
            0,
          ),
        ),
        0,
      ).view([batch, end - start, length]);
    });

  return {
    name,
    shape,
    lengths,
    device: delta.device,
    apply: (v) => scope(() => gatedScan({ ...parts, gate: gate(), share: 1 }, D, causalConv1d({ x: v, weight: convWeight, starts }).y)),
    applyTransposed: (g) =>
      scope(() =>
        causalConv1dTransposed(
          multiply(selectiveScanTransposed({ ...dynamics, D, g: multiply(g, gate()) }), sigmoid(parts.conv)),
          convWeight,
          starts,
        ),
      ),
    matrixOf,
    matrixReduced,
    diagonal: () =>
      scope(() => {
        const scan = D ? add(scanDiagonal(dynamics), D) : scanDiagonal(dynamics);
        const own = reshape(slice(convWeight, 1, convWeight.shape[1]! - 1, convWeight.shape[1]!), [channels]); // the tap on the position itself
        return multiply(multiply(multiply(scan, sigmoid(parts.conv)), own), gate());
      }),
  };
}

/** SiLU(z) ⊙ (α + D·I)·(σ(c) ⊙ value): what follows the convolution; `initialState` adds what the scan carries in. */
export function gatedScan(parts: BlockParts, D: Tensor | undefined, value: Tensor, initialState?: Tensor): Tensor<Float> {
  const { delta, A, B, C, starts, conv } = parts;
  return scope(() =>
    multiply(selectiveScan({ u: multiply(value, sigmoid(conv)), delta, A, B, C, D, initialState, starts }).y, sharedGate(parts)),
  );
}

/** What multiplies a scan's output: the gate, of one of two scans the share that counts. The published form leaves the share out. */
const sharedGate = ({ gate, share = 1 }: BlockParts): Tensor => (share === 1 ? gate : affine(gate, share));

/** Rows start…start+rows−1 of the identity, flat: (1 rows·l). */
function diagonal(start: number, rows: number, length: number, like: Tensor): Tensor<Float> {
  const ones = new Float32Array(rows * length);
  for (let i = 0; i < rows; i++) ones[i * length + start + i] = 1;
  return Tensor.from(ones, [1, rows * length], like.device);
}

/** `numbers` cut so that a piece, with `each` numbers a channel, stays small. */
function inPieces(numbers: readonly number[], each: number): (readonly number[])[] {
  const most = Math.max(1, Math.floor(pieceSize / Math.max(1, each)));
  return Array.from({ length: Math.ceil(numbers.length / most) }, (_, i) => numbers.slice(i * most, (i + 1) * most));
}
