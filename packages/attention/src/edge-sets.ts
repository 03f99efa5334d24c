import { Tensor, type Device } from '@hidden-attention/tensor';
import { resolvePositions } from './positions.js';

/** Positions of every row, or a list for each row of the batch; negative from each row's own end. */
export type Positions = readonly number[] | readonly (readonly number[])[];

/** Edges of an attention matrix: all from some inputs j to some outputs i. */
export interface EdgeSet {
  /** inputs j: the positions that are read */
  from: Positions;
  /** outputs i: the positions that read them; default all, each also of itself */
  to?: Positions;
}

/** Outputs that lose the same inputs: masks (b l 1), 1 at the positions that are meant. */
export interface EdgeMask {
  from: Tensor;
  to: Tensor;
}

/**
 * Edges as pairs of masks in which no edge counts twice: outputs that lose the same inputs stand together, so that one product with
 * the matrix serves them all.
 * @throws RangeError for no edges, lists for another number of rows, or a position that does not exist
 */
export function edgeMasks(edges: readonly EdgeSet[], lengths: readonly number[], length: number, device: Device): EdgeMask[] {
  if (edges.length === 0) throw new RangeError('no edges were given; name the positions that are read: { from: [3, 4] }');
  const sets = edges.map(({ from, to }) => ({ from: ofRows(from, lengths), to: to && ofRows(to, lengths) }));
  const masks: { from: Float32Array; to: Float32Array }[] = [];
  const size = lengths.length * length;
  for (const [row, own] of lengths.entries()) {
    const together = new Map<string, number>(); // which sets an output belongs to → number of its mask
    const members = sets.map(({ to }) => new Set(to?.[row] ?? Array.from({ length: own }, (_, at) => at)));
    for (let output = 0; output < own; output++) {
      const which = members.flatMap((set, index) => (set.has(output) ? [index] : []));
      if (which.length === 0) continue;
      const key = which.join();
      const number = together.get(key) ?? together.size;
      const mask = (masks[number] ??= { from: new Float32Array(size), to: new Float32Array(size) });
      if (!together.has(key)) {
        together.set(key, number);
        for (const index of which) for (const input of sets[index]!.from[row]!) mask.from[row * length + input] = 1;
      }
      mask.to[row * length + output] = 1;
    }
  }
  const tensor = (mask: Float32Array): Tensor => Tensor.from(mask, [lengths.length, length, 1], device);
  return masks.map(({ from, to }) => ({ from: tensor(from), to: tensor(to) }));
}

/** The positions of each row, counted from its beginning. */
function ofRows(positions: Positions, lengths: readonly number[]): number[][] {
  const each = typeof positions[0] === 'object';
  if (each && positions.length !== lengths.length)
    throw new RangeError(`positions of ${positions.length} rows were given; the batch has ${lengths.length} rows`);
  return lengths.map((length, row) => {
    const own = (each ? positions[row] : positions) as readonly number[];
    return own.map((position) => resolvePositions([length], position)[0]!);
  });
}
