import { concat, multiply, slice, Tensor, type Device, type Float } from '@hidden-attention/tensor';

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
export function onDiagonal(values: Tensor, { start, end }: RowRange): Tensor<Float> {
  const [batch, length] = values.shape as [number, number];
  const ones = new Float32Array((end - start) * length);
  for (let row = start; row < end; row++) ones[(row - start) * length + row] = 1;
  const identity = Tensor.from(ones, [1, end - start, length], values.device);
  const rows = slice(values, 1, start, end).view([batch, end - start, 1]);
  const all = concat(new Array<Tensor>(batch).fill(identity), 0);
  return multiply(all, rows);
}
