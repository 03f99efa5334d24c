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
import { scaledReduced } from './scaled-scan.js';
import { scanDiagonal } from './scan.js';
import { onDiagonals, type RowRange } from './positions.js';
import { causalConv1dTransposed } from './transposed.js';

/** What of the block around the scan can be left out, to see what it does: the convolution, the gate, SiLU's ratio σ(c). */
export type Around = 'conv' | 'gate' | 'activation';

/** Numbers that a piece of the block's matrices may hold on the way. */
const pieceSize = 2 ** 21;

/**
 * The whole block between in_proj and out_proj as attention, exact at this input (math.md section 4):
 * diag(SiLU z)·(α + D·I)·diag(σ(c))·M. It acts on x, the input of the convolution. Without `skip` it is the published
 * "unified" form (Zimerman, Ali, Wolf, ICLR 2025), which leaves out D, and so is not exact. `without` takes factors out (ablations).
 */
export function blockOperator(
  name: string,
  parts: BlockParts,
  lengths: readonly number[],
  { skip, without = [] }: { skip: boolean; without?: readonly Around[] | undefined },
): TriangularOperator {
  const { delta, A, B, C, starts } = parts;
  const D = skip ? parts.D : undefined;
  const ones = (): Tensor => Tensor.full(delta.shape, 1, delta.device);
  const gate = (): Tensor => (without.includes('gate') ? onesWithin(lengths, delta) : skip ? sharedGate(parts) : parts.gate);
  const ratio = (): Tensor => (without.includes('activation') ? ones() : ratioOf(parts));
  const taps = without.includes('conv') ? 1 : parts.convWeight.shape[1]!;
  const convWeight = (): Tensor => (without.includes('conv') ? identityTaps(parts.convWeight) : parts.convWeight);
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
      const held = transpose(ofChannels(own(ratio()))); //                             (l c)
      return causalConv1dTransposed(multiply(last, held), pickRows(convWeight(), numbers));
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

  /** The mean is that of the taps' matrices, each moved to where the tap reads: (b rows l). */
  const mean = (range: RowRange): Tensor<Float> =>
    scope(() => {
      const [open, held, weights] = [gate(), ratio(), convWeight()];
      /** SiLU's ratio times the tap that reads so many positions back: (b l d). */
      const columnsOf = (back: number): Tensor => {
        const at = weights.shape[1]! - 1 - back;
        return multiply(held, reshape(slice(weights, 1, at, at + 1), [channels]));
      };
      const ofTap = (back: number): Tensor<Float> =>
        scope(() => {
          const matrix = scaledReduced(dynamics, { rows: open, columns: columnsOf(back) }, 'mean', range);
          if (back === 0) return matrix;
          const none = Tensor.full([batch, range.end - range.start, back], 0, delta.device);
          return concat([slice(matrix, 2, back, length), none], 2);
        });
      const backs = Array.from({ length: Math.min(taps, length) }, (_, back) => back);
      const first = D
        ? onDiagonals(
            backs.map((back) => scope(() => sumLast(multiply(multiply(open, columnsOf(back)), D), 'sum', 1 / channels))),
            range,
          )
        : Tensor.full([batch, range.end - range.start, length], 0, delta.device);
      return backs.reduce<Tensor<Float>>((sum, back) => scope(() => add(sum, ofTap(back))), first);
    });

  const matrixReduced = (reduce: Reduce, { start, end }: RowRange): Tensor<Float> =>
    scope(() => {
      if (reduce === 'mean') return mean({ start, end });
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
    apply: (v) =>
      scope(() => {
        const { y } = causalConv1d({ x: v, weight: convWeight(), starts });
        return multiply(selectiveScan({ u: multiply(y, ratio()), ...dynamics, D }).y, gate());
      }),
    applyTransposed: (g) =>
      scope(() =>
        causalConv1dTransposed(
          multiply(selectiveScanTransposed({ ...dynamics, D, g: multiply(g, gate()) }), ratio()),
          convWeight(),
          starts,
        ),
      ),
    matrixOf,
    matrixReduced,
    diagonal: () =>
      scope(() => {
        const scan = D ? add(scanDiagonal(dynamics), D) : scanDiagonal(dynamics);
        const weights = convWeight();
        const own = reshape(slice(weights, 1, weights.shape[1]! - 1, weights.shape[1]!), [channels]); // the tap on the position itself
        return multiply(multiply(multiply(scan, ratio()), own), gate());
      }),
  };
}

/** SiLU(z) ⊙ (α + D·I)·(σ(c) ⊙ value): what follows the convolution; `initialState` adds what the scan carries in. */
export function gatedScan(parts: BlockParts, D: Tensor | undefined, value: Tensor, initialState?: Tensor): Tensor<Float> {
  const { delta, A, B, C, starts } = parts;
  return scope(() =>
    multiply(selectiveScan({ u: multiply(value, ratioOf(parts)), delta, A, B, C, D, initialState, starts }).y, sharedGate(parts)),
  );
}

/** What the activation behind the convolution makes of it, held. */
const ratioOf = ({ conv, ratio }: BlockParts): Tensor => ratio ?? sigmoid(conv);

/** What multiplies a scan's output: the gate, of one of two scans the share that counts. The published form leaves the share out. */
const sharedGate = ({ gate, share = 1 }: BlockParts): Tensor => (share === 1 ? gate : affine(gate, share));

/** 1 at every row's own positions, 0 past its end: (b l d), as `like`. */
function onesWithin(lengths: readonly number[], like: Tensor): Tensor {
  const [rows, length] = like.shape as [number, number, number];
  const mask = Float32Array.from({ length: rows * length }, (_, at) => (at % length < lengths[Math.floor(at / length)]! ? 1 : 0));
  return multiply(Tensor.full(like.shape, 1, like.device), Tensor.from(mask, [rows, length, 1], like.device));
}

/** Taps (d k) of a convolution that changes nothing. */
function identityTaps({ shape, device }: Tensor): Tensor {
  const [channels, width] = shape as [number, number];
  return Tensor.from(
    Float32Array.from({ length: channels * width }, (_, at) => (at % width === width - 1 ? 1 : 0)),
    shape,
    device,
  );
}

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
