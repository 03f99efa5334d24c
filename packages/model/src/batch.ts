import { Tensor, type Device, type Float } from '@hidden-attention/tensor';
import { ModelError } from './errors.js';

/** Rows of token ids, right-padded by length. A row is never recognised by an id: padding can be any. */
export interface Batch {
  /** (b l), i32 */
  ids: Tensor<'i32'>;
  /** number of ids of each row */
  lengths: readonly number[];
  /** the same on the device, where rows differ in length; undefined when all are full */
  lengthsTensor: Tensor<'i32'> | undefined;
}

/**
 * A batch of rows of any lengths ≥ 1.
 * @throws ModelError for no rows, an empty row, or an id that is not a whole number from 0 to vocabSize − 1 (row, place and value named)
 */
export function makeBatch(rows: readonly ArrayLike<number>[], vocabSize: number, device?: Device): Batch {
  if (rows.length === 0) throw new ModelError('the input has no rows; give at least one row of token ids');
  const lengths = rows.map((row) => row.length);
  const length = Math.max(...lengths);
  const ids = new Int32Array(rows.length * length);
  rows.forEach((row, r) => {
    if (row.length === 0) throw new ModelError(`row ${r} of the input is empty; at least one token is needed`);
    for (let i = 0; i < row.length; i++) {
      const id = row[i]!;
      if (!Number.isInteger(id) || id < 0 || id >= vocabSize) {
        throw new ModelError(`id ${id} at position ${i} of row ${r} is out of range; ids of this model are 0 to ${vocabSize - 1}`);
      }
      ids[r * length + i] = id;
    }
  });
  const ragged = lengths.some((own) => own !== length);
  return {
    ids: Tensor.from(ids, [rows.length, length], device),
    lengths,
    lengthsTensor: ragged ? Tensor.from(Int32Array.from(lengths), [rows.length], device) : undefined,
  };
}

/** (b l 1): 1 at a row's own positions, 0 past its end. */
export function maskOf(batch: Batch): Tensor<Float> {
  const [rows, length] = batch.ids.shape as [number, number];
  const mask = new Float32Array(rows * length);
  batch.lengths.forEach((own, r) => mask.fill(1, r * length, r * length + own));
  return Tensor.from(mask, [rows, length, 1], batch.ids.device);
}

/**
 * Weights (b l) that pick positions: `weightedSum` of them is the mean of each row ('mean'), its last position ('last') or
 * a position of each row (an array; negative from the row's end).
 * @throws ModelError for a position outside its row
 */
export function pickPositions(batch: Batch, what: 'mean' | 'last' | readonly number[]): Tensor<Float> {
  const [rows, length] = batch.ids.shape as [number, number];
  const weights = new Float32Array(rows * length);
  if (typeof what !== 'string' && what.length !== rows) throw new ModelError(`${what.length} positions for ${rows} rows; give one a row`);
  batch.lengths.forEach((own, r) => {
    if (what === 'mean') return weights.fill(1 / own, r * length, r * length + own);
    const asked = what === 'last' ? -1 : what[r]!;
    const position = asked < 0 ? own + asked : asked;
    if (!Number.isInteger(position) || position < 0 || position >= own) {
      throw new ModelError(
        `position ${asked} of row ${r} does not exist; the row has positions 0 to ${own - 1} (or −1 to −${own} from its end)`,
      );
    }
    weights[r * length + position] = 1;
    return undefined;
  });
  return Tensor.from(weights, [rows, length], batch.ids.device);
}
