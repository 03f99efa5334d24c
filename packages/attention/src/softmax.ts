import type { SoftmaxDynamics } from '@hidden-attention/model';
import {
  add,
  concat,
  exp,
  multiply,
  reshape,
  scope,
  slice,
  softmaxAttention,
  softmaxAttentionMatrix,
  softmaxAttentionTransposed,
  subtract,
  sumLeading,
  Tensor,
  transpose,
  type Float,
} from '@hidden-attention/tensor';
import { pickRows } from './channels.js';
import type { Operator } from './layer.js';
import type { RowRange } from './positions.js';

/** Weighs out of sight what lies past the end of a row: e^−1e30 = 0. */
const outOfSight = 1e30;

/** (b h l): the rows' logSumExp; past the end of a row of the batch so large that all its probabilities are 0. */
function rowsOf({ logSumExp }: SoftmaxDynamics, lengths: readonly number[]): Tensor<Float> {
  const [rows, length, heads] = logSumExp.shape as [number, number, number];
  const own = transpose(logSumExp);
  if (lengths.every((each) => each === length)) return own;
  const beyond = Float32Array.from({ length: rows * length }, (_, at) =>
    at % length < lengths[Math.floor(at / length)]! ? 0 : outOfSight,
  );
  const each = concat(new Array<Tensor>(heads).fill(Tensor.from(beyond, [rows, 1, length], own.device)), 1);
  return add(own, each);
}

/** The probabilities times v (b l h p): what these positions read of each other; of a carried cache they read the rest. */
function read(dynamics: SoftmaxDynamics, v: Tensor, lengths: readonly number[]): Tensor<Float> {
  const { q, k, starts, scale, causal } = dynamics;
  const { y, logSumExp } = softmaxAttention({ q, k, v, starts }, { scale, causal });
  const share = transpose(exp(subtract(logSumExp, rowsOf(dynamics, lengths)))); //                   (b l h)
  return multiply(y, reshape(share, [...share.shape, 1]));
}

function transposed(dynamics: SoftmaxDynamics, g: Tensor, lengths: readonly number[]): Tensor<Float> {
  const { q, k, starts, scale, causal } = dynamics;
  return softmaxAttentionTransposed({ q, k, logSumExp: rowsOf(dynamics, lengths), g, starts }, { scale, causal });
}

/** The probabilities of some rows in every head: (b h rows l). */
function probabilities(dynamics: SoftmaxDynamics, { start, end }: RowRange, lengths: readonly number[]): Tensor<Float> {
  const { q, k, starts, scale, causal } = dynamics;
  const logSumExp = rowsOf(dynamics, lengths);
  return softmaxAttentionMatrix({ q, k, logSumExp, starts }, { scale, causal, rowStart: start, rows: end - start });
}

/** What both operators below share: the mean over channels is that over heads. */
function matrices(
  name: string,
  dynamics: SoftmaxDynamics,
  lengths: readonly number[],
  channels: number,
): Omit<Operator, 'apply' | 'applyTransposed'> {
  const [rows, length, heads] = dynamics.q.shape as [number, number, number, number];
  return {
    name,
    shape: [rows, length, channels],
    lengths,
    device: dynamics.q.device,
    matrixOf: (chosen, range) =>
      scope(() => {
        const count = range.end - range.start;
        const all = probabilities(dynamics, range, lengths).view([rows * heads, count * length]);
        const numbers = Array.from({ length: rows }, (_, row) =>
          chosen.map((channel) => row * heads + Math.floor((channel * heads) / channels)),
        );
        return pickRows(all, numbers.flat()).view([rows, chosen.length, count, length]);
      }),
    // probabilities are not negative: the mean of |p| and of max(p, 0) are the mean
    matrixReduced: (_, range) =>
      scope(() => {
        const all = probabilities(dynamics, range, lengths);
        const count = range.end - range.start;
        const means = Array.from({ length: rows }, (_row, row) =>
          multiply(sumLeading(slice(all, 0, row, row + 1).view([heads, count * length])), Tensor.full([1], 1 / heads, all.device)),
        );
        return concat(means, 0).view([rows, count, length]);
      }),
  };
}

/** A head's numbers in the first of its columns, zeros in the others: (b l h) → (b l h p). */
function inFirstColumn(x: Tensor, width: number): Tensor<Float> {
  const column = reshape(x, [...x.shape, 1]);
  return width === 1 ? column : concat([column, Tensor.full([...x.shape, width - 1], 0, x.device)], 3);
}
const firstColumn = (x: Tensor): Tensor<Float> => reshape(slice(x, 3, 0, 1), x.shape.slice(0, 3));

/** Softmax attention as it is seen of Mamba's scan: a matrix a head, which is a channel here. Linear in time: no product is. */
export function softmaxOperator(name: string, dynamics: SoftmaxDynamics, lengths: readonly number[]): Operator {
  const [, , heads, width] = dynamics.q.shape as [number, number, number, number];
  return {
    ...matrices(name, dynamics, lengths, heads),
    apply: (v) => scope(() => firstColumn(read(dynamics, inFirstColumn(v, width), lengths))),
    applyTransposed: (g) => scope(() => firstColumn(transposed(dynamics, inFirstColumn(g, width), lengths))),
    rowInEveryChannel: (positions) => {
      const [position] = positions as [number];
      if (!positions.every((each) => each === position)) return undefined;
      return scope(() => {
        const row = probabilities(dynamics, { start: position, end: position + 1 }, lengths); //      (b h 1 l)
        return transpose(row.view([row.shape[0]!, heads, row.shape[3]!]));
      });
    },
  };
}

/** The whole layer between v and what its heads give: a head's matrix for each of its columns. Exact at this input. */
export function softmaxBlockOperator(name: string, dynamics: SoftmaxDynamics, lengths: readonly number[]): Operator {
  const [rows, length, heads, width] = dynamics.q.shape as [number, number, number, number];
  const inHeads = (x: Tensor): Tensor => x.view([rows, length, heads, width]);
  const flat = (x: Tensor): Tensor<Float> => reshape(x, [rows, length, heads * width]);
  return {
    ...matrices(name, dynamics, lengths, heads * width),
    apply: (v) => scope(() => flat(read(dynamics, inHeads(v), lengths))),
    applyTransposed: (g) => scope(() => flat(transposed(dynamics, inHeads(g), lengths))),
  };
}

/** What the positions read of the keys and values that a cache carries in: (b l h·p). */
export function readOfCache(
  dynamics: SoftmaxDynamics,
  cache: { keys: Tensor; values: Tensor; past: Tensor; counts: Int32Array },
  lengths: readonly number[],
): Tensor<Float> {
  const { q, scale } = dynamics;
  const counted = Tensor.from(cache.counts, [cache.counts.length], q.device);
  const { y, logSumExp } = softmaxAttention({ q, k: cache.keys, v: cache.values, lengths: counted }, { scale, causal: false });
  const share = transpose(exp(subtract(logSumExp, rowsOf(dynamics, lengths))));
  const [rows, length, heads, width] = q.shape as [number, number, number, number];
  return reshape(multiply(y, reshape(share, [...share.shape, 1])), [rows, length, heads * width]);
}
