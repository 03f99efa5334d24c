import { defineOp } from '../op.js';
import { sizeOf, Tensor } from '../tensor.js';

/** The largest entries of each row, the largest first; where a row has fewer, value 0 and index −1 at the end. */
export interface TopK {
  /** (… k) */
  values: Tensor<'f32'>;
  /** (… k) */
  indices: Tensor<'i32'>;
}

export interface TopKOptions {
  /** entries a row, at least 1 */
  k: number;
  /** rank by the number itself (default) or by its absolute value */
  by?: 'value' | 'magnitude' | undefined;
  /** (rows of x), i32: entries of these indices and more do not count */
  lengths?: Tensor | undefined;
  /** what `topK` found in other pieces of the same rows: this piece's entries are ranked among them */
  among?: TopK | undefined;
  /** where this piece stands in the whole row: the index of its first column (default 0) */
  offset?: number | undefined;
}

type In = { x: Tensor; lengths?: Tensor | undefined; heldValues?: Tensor | undefined; heldIndices?: Tensor | undefined };

const op = defineOp<In, { k: number; magnitude: boolean; offset: number }, { values: Tensor<'f32'>; indices: Tensor<'i32'> }>({
  name: 'topK',
  signature: 'x: ... d, lengths?: r, heldValues?: ... k, heldIndices?: ... k -> values: ... k, indices: ... k',
  forward({ x, lengths, heldValues, heldIndices }, { k, magnitude, offset }, { axes }) {
    const leading = x.shape.slice(0, -1);
    const values = Tensor.empty([...leading, k], x.device);
    const indices = Tensor.empty([...leading, k], x.device, 'i32');
    x.device.run('topK', {
      rows: sizeOf(leading),
      columns: axes.d,
      k,
      offset,
      magnitude,
      x: x.handle,
      lengths: lengths?.handle,
      heldValues: heldValues?.handle,
      heldIndices: heldIndices?.handle,
      values: values.handle,
      indices: indices.handle,
    });
    return { outputs: { values, indices } };
  },
});

/**
 * The k largest entries of each row of x (… d), and where they stand; of equals, the one with the smaller index comes first, and
 * a NaN counts as the largest. A long row can come in pieces, in any order (`among`, `offset`), and is then never whole in memory.
 * @throws RangeError for a k or an offset that is no such number
 */
export function topK(x: Tensor, { k, by = 'value', lengths, among, offset = 0 }: TopKOptions): TopK {
  if (!Number.isInteger(k) || k < 1) throw new RangeError(`topK: k is ${k}; a whole number of at least 1 is needed`);
  if (!Number.isInteger(offset) || offset < 0) throw new RangeError(`topK: offset is ${offset}; a position from 0 on is needed`);
  const held = { heldValues: among?.values, heldIndices: among?.indices };
  return op({ x, lengths, ...held }, { k, magnitude: by === 'magnitude', offset });
}
