import { purposes, randomFor, shuffled } from '../random.js';

/**
 * Texts put together into rows of at most `capacity` positions, each into the row where the least room is left (best fit), in an order
 * that the seed decides: which texts stand in each row. A text is never cut.
 * @param lengths of the texts, each at most `capacity`
 */
export function packed(lengths: readonly number[], capacity: number, seed: number): number[][] {
  const rows: number[][] = [];
  const withRoom: number[][] = Array.from({ length: capacity + 1 }, () => []); // numbers of rows, by the room that is left
  for (const text of shuffled(lengths.length, randomFor(seed, purposes.packing))) {
    const length = lengths[text]!;
    let room = length;
    while (room <= capacity && withRoom[room]!.length === 0) room++;
    const row = room <= capacity ? withRoom[room]!.pop()! : rows.push([]) - 1;
    rows[row]!.push(text);
    withRoom[Math.min(room, capacity) - length]!.push(row);
  }
  return rows;
}
