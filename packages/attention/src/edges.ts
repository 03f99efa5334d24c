import { abs, add, concat, multiply, positive, scope, slice, sumLast, Tensor, weightedSum, type Float } from '@hidden-attention/tensor';
import type { Reduce } from './channels.js';
import { rowTiles, type AttentionLayer } from './layer.js';
import { inEveryChannel, type RowRange } from './positions.js';

/** What becomes of a matrix's numbers after its columns were scaled: left as they are, negative ones set to 0, or signs dropped. */
export type Clamp = 'none' | 'positive' | 'absolute';

/** How a layer's attention becomes one matrix m (b l l): m[i,j] = clamp(columns_j · reduce_d α[d][i,j]). */
export interface EdgeOptions {
  /** over channels; default 'mean' */
  reduce?: Reduce;
  /** default 'none' */
  clamp?: Clamp;
  /** (b l): a factor of each column; default 1 */
  columns?: ArrayLike<number> | undefined;
}

const clamps = { none: (x: Tensor): Tensor => x, positive, absolute: abs };

/** A plain mean is linear in α, so products with it are scans; a clamp, or a mean of |α| or max(α, 0), is not. */
const isLinear = ({ reduce = 'mean', clamp = 'none' }: EdgeOptions): boolean => reduce === 'mean' && clamp === 'none';

/** Some rows of m: (b rows l). */
export function edges(layer: AttentionLayer, options: EdgeOptions = {}, rows: RowRange = { start: 0, end: layer.shape[1] }): Tensor {
  const { reduce = 'mean', clamp = 'none', columns } = options;
  const [batch, length] = layer.shape;
  return scope(() => {
    const matrix = layer.matrix({ reduce, rows }).view([batch, rows.end - rows.start, length]);
    if (!columns) return clamps[clamp](matrix);
    const all = Float32Array.from(columns);
    const factors = (row: number): Tensor => Tensor.from(all.subarray(row * length, (row + 1) * length), [length], layer.device);
    if (batch === 1) return clamps[clamp](multiply(matrix, factors(0)));
    return clamps[clamp](
      concat(
        Array.from({ length: batch }, (_, row) => multiply(slice(matrix, 0, row, row + 1), factors(row))),
        0,
      ),
    );
  });
}

/**
 * vᵀm for each row of the batch: v (b l) → (b l), float64 on the host around float32 kernels; v is divided by a power of two
 * first, so that no size of it overflows. Where m is linear in α this is one scan run backwards. Otherwise the rows of m where
 * v is not 0 are streamed in pieces: time quadratic, memory linear in the length.
 */
export async function throughEdges(layer: AttentionLayer, v: Float64Array, options: EdgeOptions = {}): Promise<Float64Array> {
  const [batch, length, channels] = layer.shape;
  const scale = 2 ** exponentOf(v);
  const scaled = new Float32Array(v.map((value) => value / scale));
  const linear = isLinear(options);
  const product = scope(() => {
    if (linear) return sumLast(layer.applyTransposed(inEveryChannel(scaled, layer.shape, layer.device)), 'sum', 1 / channels);
    const weights = Tensor.from(scaled, [batch, length], layer.device);
    const pieces = rowTiles(support(v, length), batch * length);
    return sumOfPieces(pieces.map((rows) => () => weightedSum(edges(layer, options, rows), slice(weights, 1, rows.start, rows.end))));
  });
  const { columns } = options;
  const result = new Float64Array(await product.read()).map((value, at) => value * scale * (linear && columns ? columns[at]! : 1));
  product.dispose();
  return result;
}

/** Sums of m's rows: (b l). Linear where m is linear in α. */
export async function edgeSums(layer: AttentionLayer, options: EdgeOptions = {}): Promise<Float64Array> {
  const [batch, length, channels] = layer.shape;
  const sums = scope(() => {
    if (isLinear(options)) {
      const factors = options.columns ? Float32Array.from(options.columns) : new Float32Array(batch * length).fill(1);
      return sumLast(layer.apply(inEveryChannel(factors, layer.shape, layer.device)), 'sum', 1 / channels);
    }
    return concat(
      rowTiles({ start: 0, end: length }, batch * length).map((rows) => scope(() => sumLast(edges(layer, options, rows)))),
      1,
    );
  });
  const result = Float64Array.from(await sums.read());
  sums.dispose();
  return result;
}

/** The exponent of the largest number: |v| ≤ 2^exponent. */
export function exponentOf(v: ArrayLike<number>): number {
  let largest = 0;
  for (let i = 0; i < v.length; i++) largest = Math.max(largest, Math.abs(v[i]!));
  return largest > 0 && Number.isFinite(largest) ? Math.ceil(Math.log2(largest)) : 0;
}

/** From the first to the last position at which v (b l) is not 0 in some row of the batch; one position when it is 0 everywhere. */
function support(v: Float64Array, length: number): RowRange {
  let [start, end] = [length, 0];
  for (let at = 0; at < v.length; at++) {
    if (v[at] === 0) continue;
    start = Math.min(start, at % length);
    end = Math.max(end, (at % length) + 1);
  }
  return end === 0 ? { start: 0, end: 1 } : { start, end };
}

/** The sum of what `pieces` make, one piece in memory at a time. */
function sumOfPieces(pieces: (() => Tensor<Float>)[]): Tensor<Float> {
  const [first, ...rest] = pieces as [() => Tensor<Float>, ...(() => Tensor<Float>)[]];
  return rest.reduce((sum, next) => scope(() => add(sum, next())), scope(first));
}
