import type { ScanDynamics, SoftmaxDynamics, TwoWay } from '@hidden-attention/model';
import {
  abs,
  add,
  affine,
  concat,
  matmul,
  multiply,
  positive,
  reshape,
  reverse,
  scope,
  slice,
  subtract,
  transpose,
  type Float,
  type Tensor,
} from '@hidden-attention/tensor';
import type { Reduce } from './channels.js';
import { attentionLayer, type AttentionLayer, type Operator, type TriangularOperator } from './layer.js';
import type { RowRange } from './positions.js';
import { byChannel } from './scan.js';
import { scaledScanOperator, type Scales } from './scaled-scan.js';
import { softmaxBlockOperator, softmaxOperator } from './softmax.js';
import { reversed, twoWay } from './two-way.js';
import { isSoftmax, isTwoWay, type LayerView } from './view.js';

/**
 * A layer's attention with its rows and columns scaled, channel by channel: diag(rows)·α·diag(columns), scales (b l d). Of a layer that
 * reads both ways the sum of both directions, each with its own scales, in the order of the tokens; of softmax attention a head's
 * probabilities for each of its columns (b l h·p).
 */
export function scaledLayer(layer: LayerView, scales: Scales | TwoWay<Scales>): AttentionLayer {
  const { dynamics, lengths } = layer;
  const name = `layer ${layer.index}`;
  const scan = (own: ScanDynamics, factors: Scales): TriangularOperator =>
    scaledScanOperator(name, byChannel(own, factors.rows.shape[2]!), factors, lengths);
  if (isTwoWay(dynamics)) {
    const { forward, backward } = scales as TwoWay<Scales>;
    const turned = { rows: reverse(backward.rows, 1), columns: reverse(backward.columns, 1) };
    return attentionLayer(twoWay(scan(dynamics.forward, forward), reversed(scan(dynamics.backward, turned))));
  }
  return attentionLayer(
    isSoftmax(dynamics)
      ? scaledSoftmaxOperator(name, dynamics, scales as Scales, lengths)
      : scan(dynamics as ScanDynamics, scales as Scales),
  );
}

/** p_ij·Σ_c f(rows_ic·columns_jc) over a head's columns needs products of this: probabilities are not negative. */
function products(rows: Tensor, columns: Tensor, reduce: Reduce): Tensor<Float> {
  const times = (a: Tensor, b: Tensor): Tensor<Float> => matmul(a, b, { transposeB: true });
  if (reduce === 'mean') return times(rows, columns);
  if (reduce === 'meanAbs') return times(abs(rows), abs(columns));
  const negative = (x: Tensor): Tensor => subtract(positive(x), x);
  return add(times(positive(rows), positive(columns)), times(negative(rows), negative(columns)));
}

function scaledSoftmaxOperator(name: string, dynamics: SoftmaxDynamics, scales: Scales, lengths: readonly number[]): Operator {
  const block = softmaxBlockOperator(name, dynamics, lengths);
  const [rows, length, heads, width] = dynamics.q.shape as [number, number, number, number];
  const channels = heads * width;
  const headOf = (x: Tensor, row: number, head: number, range: RowRange): Tensor<Float> =>
    reshape(slice(slice(slice(x, 0, row, row + 1), 2, head * width, (head + 1) * width), 1, range.start, range.end), [
      range.end - range.start,
      width,
    ]);
  const all = { start: 0, end: length };
  const everyHead = Array.from({ length: heads }, (_, head) => head);
  const probabilities = softmaxOperator(name, dynamics, lengths);
  return {
    name,
    shape: block.shape,
    lengths,
    device: block.device,
    apply: (v) => scope(() => multiply(block.apply(multiply(v, scales.columns)), scales.rows)),
    applyTransposed: (g) => scope(() => multiply(block.applyTransposed(multiply(g, scales.rows)), scales.columns)),
    matrixOf: (chosen, range) =>
      scope(() => {
        const count = range.end - range.start;
        const matrix = block.matrixOf(chosen, range).view([rows * chosen.length, count, length]); //   (b·c rows l)
        const pick = (x: Tensor): Tensor<Float> =>
          transpose(
            concat(
              chosen.map((channel) => slice(x, 2, channel, channel + 1)),
              2,
            ),
          );
        const factors = reshape(slice(pick(scales.rows), 2, range.start, range.end), [rows * chosen.length, count, 1]);
        const columns = reshape(pick(scales.columns), [rows * chosen.length, 1, length]);
        const ones = multiply(matrix, factors);
        return reshape(multiply(ones, concat(new Array<Tensor>(count).fill(columns), 1)), [rows, chosen.length, count, length]);
      }),
    matrixReduced: (reduce, range) =>
      scope(() => {
        const count = range.end - range.start;
        const p = probabilities.matrixOf(everyHead, range); //                                                              (b h rows l)
        const ofRow = (row: number): Tensor<Float> =>
          everyHead.reduce<Tensor<Float> | undefined>((sum, head) => {
            const own = reshape(slice(slice(p, 0, row, row + 1), 1, head, head + 1), [count, length]);
            const part = multiply(own, products(headOf(scales.rows, row, head, range), headOf(scales.columns, row, head, all), reduce));
            return sum ? add(sum, part) : part;
          }, undefined)!;
        const sums = concat(
          Array.from({ length: rows }, (_, row) => reshape(ofRow(row), [1, count, length])),
          0,
        );
        return affine(sums, 1 / channels);
      }),
  };
}
