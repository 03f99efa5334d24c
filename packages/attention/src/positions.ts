import { concat, multiply, reshape, scope, slice, Tensor, type Device, type Float } from '@hidden-attention/tensor';

/** A position: a whole number (negative: from each row's own end), or each row's own last. */
export type Position = number | 'last';

/** Rows `start` to `end` − 1 of a matrix. */
export interface RowRange {
  start: number;
  end: number;
}

/**
 * The position that is meant in each row of a batch.
 * @throws RangeError naming the row, what was asked and what it has
 */
export function resolvePositions(lengths: readonly number[], position: Position): number[] {
  return lengths.map((length, row) => {
    const asked = position === 'last' ? -1 : position;
    const found = asked < 0 ? length + asked : asked;
    if (!Number.isInteger(found) || found < 0 || found >= length) {
      throw new RangeError(
        `position ${position} of row ${row} does not exist; the row has positions 0 to ${length - 1} (or −1 to −${length} from its end)`,
      );
    }
    return found;
  });
}

/** (b l): 1 at one position of each row, 0 elsewhere. */
export function oneHot(positions: readonly number[], length: number): Float32Array {
  const weights = new Float32Array(positions.length * length);
  positions.forEach((position, row) => (weights[row * length + position] = 1));
  return weights;
}

/** The same numbers in every channel: weights (b l) → (b l d). */
export function inEveryChannel(
  weights: Float32Array,
  [rows, length, channels]: readonly [number, number, number],
  device: Device,
): Tensor<Float> {
  return multiply(Tensor.full([rows, length, channels], 1, device), Tensor.from(weights, [rows, length, 1], device));
}

/** Rows of the matrices with these diagonals (b l): (b rows l). */
export function onDiagonal(values: Tensor, range: RowRange): Tensor<Float> {
  return onDiagonals([values], range);
}

/**
 * Rows of the matrices in which number i of values[k] (b l) stands in row i, k columns before the diagonal: (b rows l). Rows are made one number
 * too long, each beginning with its own numbers, and written one after another: so each begins one place later than the row before.
 */
export function onDiagonals(values: readonly Tensor[], { start, end }: RowRange): Tensor<Float> {
  const [batch, length] = values[0]!.shape as [number, number];
  const rows = end - start;
  const { device } = values[0]!;
  return scope(() => {
    const zeros = (...shape: number[]): Tensor<Float> => Tensor.full(shape, 0, device);
    const joined = (parts: readonly Tensor[]): Tensor<Float> =>
      concat(
        parts.filter(({ size }) => size > 0),
        1,
      );
    const own = values.slice(0, length).map((value, back) => {
      const there = joined([zeros(batch, back), slice(value, 1, back, length)]); // left of the first column there is nothing
      return reshape(slice(there, 1, start, end), [batch * rows, 1]);
    });
    const long = joined([...own.toReversed(), zeros(batch * rows, length + 1 - own.length)]);
    const first = start - (own.length - 1); // where the first row's numbers stand
    const flat = reshape(long, [batch, rows * (length + 1)]);
    const shifted = first >= 0 ? joined([zeros(batch, first), flat]) : slice(flat, 1, -first, rows * (length + 1));
    return reshape(slice(joined([shifted, zeros(batch, own.length)]), 1, 0, rows * length), [batch, rows, length]);
  });
}
