import { concat, scope, sumLast, Tensor, topK, type Device, type Float, type TopK, type TopKOptions } from '@hidden-attention/tensor';
import { chosen, resolveChannels, type ChannelChoice, type Reduce } from './channels.js';
import { checkFits } from './memory.js';
import { inEveryChannel, oneHot, resolvePositions, type Position, type RowRange } from './positions.js';

/**
 * A layer seen as attention: one matrix (l l) a channel, row i what position i reads, column j what is read of position j.
 * Rows, columns and products are linear in the length; only `matrix` is quadratic. All results are new tensors on the model's
 * device, zero past the end of a shorter row of the batch. c counts the channels asked for, 1 when they are reduced.
 */
export interface AttentionLayer {
  /** rows of the batch, positions of the longest, channels; with the device they live on */
  readonly shape: readonly [rows: number, length: number, channels: number];
  readonly lengths: readonly number[];
  readonly device: Device;
  /** One row of the matrix: (b c l). */
  row(position: Position, choice?: ChannelChoice): Tensor<Float>;
  /**
   * The largest entries of one row, of the mean over channels or of channels: values and positions (b c k), the largest first,
   * of equals the earlier position; where a row has fewer, value 0 and position −1.
   */
  topRow(position: Position, choice: ChannelChoice & Pick<TopKOptions, 'k' | 'by'>): TopK;
  /** The same of every row of the matrix, which is made in pieces and never held; numbers (b c l k), row-major. */
  topRows(choice: ChannelChoice & Pick<TopKOptions, 'k' | 'by'>): Promise<TopRows>;
  /** One column: (b c l). */
  column(position: Position, choice?: ChannelChoice): Tensor<Float>;
  /**
   * The matrix, or rows start…end−1 of it: (b c rows l).
   * @throws RangeError when it does not fit in memory, with its size and what to ask instead
   */
  matrix(choice?: ChannelChoice & { rows?: RowRange }): Tensor<Float>;
  /** Sums of the rows of what `matrix` gives: (b c l). Linear for the mean and for channels; 'meanAbs' and 'meanPositive' take time quadratic in the length, in pieces. */
  rowSums(choice?: ChannelChoice): Tensor<Float>;
  /** The matrices times v, channel by channel: (b l d) → (b l d). */
  apply(v: Tensor): Tensor<Float>;
  /** The transposed matrices times g: (b l d) → (b l d). */
  applyTransposed(g: Tensor): Tensor<Float>;
}

/** The largest entries of each row of a matrix: numbers (b c l k). */
export interface TopRows {
  shape: [rows: number, channels: number, length: number, k: number];
  values: Float32Array;
  indices: Int32Array;
}

/** What a layer must be able to do for `attentionLayer` to offer the rest. */
export interface Operator extends Pick<AttentionLayer, 'shape' | 'lengths' | 'device' | 'apply' | 'applyTransposed'> {
  /** how errors call it: "layer 3" */
  name: string;
  /** a row of the matrix in every channel (b l d), where there is a quicker way than `applyTransposed` of one position */
  rowInEveryChannel?(positions: readonly number[]): Tensor | undefined;
  /** (b c rows l) */
  matrixOf(channels: readonly number[], rows: RowRange): Tensor<Float>;
  /** (b rows l) */
  matrixReduced(reduce: Reduce, rows: RowRange): Tensor<Float>;
}

/** One whose matrices are lower triangular, or upper. */
export interface TriangularOperator extends Operator {
  /** the diagonal of the matrix in every channel (b l d) */
  diagonal(): Tensor<Float>;
}

/** Numbers that a piece of a matrix may hold while a sum over it is taken. */
const tileSize = 4 * 2 ** 20;

/** Pieces of at most about 16 MB that cover rows start…end−1 of a matrix with `width` numbers a row. */
export function rowTiles({ start, end }: RowRange, width: number): RowRange[] {
  const rows = Math.max(1, Math.floor(tileSize / Math.max(1, width)));
  return Array.from({ length: Math.ceil((end - start) / rows) }, (_, i) => ({
    start: start + i * rows,
    end: Math.min(end, start + (i + 1) * rows),
  }));
}

/** The whole interface out of what one kind of layer can do. */
export function attentionLayer(operator: Operator): AttentionLayer {
  const { shape, lengths, device } = operator;
  const [rows, length, channels] = shape;

  const matrix: AttentionLayer['matrix'] = ({ rows: range = { start: 0, end: length }, ...choice } = {}) => {
    const { start, end } = range;
    if (!Number.isInteger(start) || !Number.isInteger(end) || start < 0 || end <= start || end > length) {
      throw new RangeError(`rows ${start} to ${end - 1} of ${operator.name} were asked for; it has rows 0 to ${length - 1}`);
    }
    const wanted = resolveChannels(choice, channels);
    const count = 'reduce' in wanted ? 1 : wanted.channels.length;
    const what = `the matrix of ${operator.name} (${rows} × ${count} × ${end - start} × ${length} numbers)`;
    const fewer = count > 1 ? "fewer channels, reduce: 'mean', " : '';
    checkFits(
      device,
      what,
      4 * rows * count * (end - start) * length,
      `Ask for a row or a column, which are linear in the length, or for ${fewer}some of its rows`,
    );
    return scope(() =>
      'reduce' in wanted
        ? operator.matrixReduced(wanted.reduce, range).view([rows, 1, end - start, length])
        : operator.matrixOf(wanted.channels, range),
    );
  };

  const rowSums: AttentionLayer['rowSums'] = (choice = {}) =>
    scope(() => {
      const wanted = resolveChannels(choice, channels);
      if ('channels' in wanted || wanted.reduce === 'mean') return chosen(operator.apply(Tensor.full(shape, 1, device)), choice);
      const pieces = rowTiles({ start: 0, end: length }, rows * length).map((range) =>
        scope(() => sumLast(operator.matrixReduced(wanted.reduce, range))),
      );
      return concat(pieces, 1).view([rows, 1, length]);
    });

  const row: AttentionLayer['row'] = (position, choice = {}) =>
    scope(() => {
      const positions = resolvePositions(lengths, position);
      const found =
        operator.rowInEveryChannel?.(positions) ?? operator.applyTransposed(inEveryChannel(oneHot(positions, length), shape, device));
      return chosen(found, choice);
    });

  const topRow: AttentionLayer['topRow'] = (position, { k, by, ...choice }) =>
    scope(() => {
      const found = row(position, choice);
      const ends = resolvePositions(lengths, position).flatMap((end) => new Array<number>(found.shape[1]!).fill(end + 1));
      return topK(found, { k, by, lengths: Tensor.from(Int32Array.from(ends), [ends.length], device) });
    });

  const topRows: AttentionLayer['topRows'] = async ({ k, by, ...choice }) => {
    const wanted = resolveChannels(choice, channels);
    const heads = rows * ('reduce' in wanted ? 1 : wanted.channels.length);
    const all: TopRows = {
      shape: [rows, heads / rows, length, k],
      values: new Float32Array(heads * length * k),
      indices: new Int32Array(heads * length * k),
    };
    for (const { start, end } of rowTiles({ start: 0, end: length }, heads * length)) {
      const top = scope(() => {
        const ends = Array.from({ length: heads * (end - start) }, (_, i) => start + (i % (end - start)) + 1);
        const part = matrix({ ...choice, rows: { start, end } }); //                                (b c rows l)
        return topK(part, { k, by, lengths: Tensor.from(Int32Array.from(ends), [ends.length], device) });
      });
      const [values, indices] = await Promise.all([top.values.read(), top.indices.read()]);
      for (const tensor of Object.values(top)) tensor.dispose();
      const size = (end - start) * k;
      for (let head = 0; head < heads; head++) {
        const at = (head * length + start) * k;
        all.values.set(values.subarray(head * size, (head + 1) * size), at);
        all.indices.set(indices.subarray(head * size, (head + 1) * size), at);
      }
    }
    return all;
  };

  return {
    shape,
    lengths,
    device,
    row,
    topRow,
    topRows,
    column: (position, choice = {}) =>
      scope(() => chosen(operator.apply(inEveryChannel(oneHot(resolvePositions(lengths, position), length), shape, device)), choice)),
    matrix,
    rowSums,
    apply: (v) => operator.apply(v),
    applyTransposed: (g) => operator.applyTransposed(g),
  };
}
