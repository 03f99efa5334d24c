import { defineOp } from '../op.js';
import { type Float, Tensor } from '../tensor.js';

const op = defineOp<{ ids: Tensor; table: Tensor }, object, { y: Tensor<Float> }>({
  name: 'embedding',
  signature: 'ids: ..., table: v m -> y: ... m',
  forward({ ids, table }, _, { axes }) {
    const y = Tensor.like(table, [...ids.shape, axes.m!]);
    const sizes = { count: ids.size, vocabulary: axes.v, width: axes.m, ids: ids.handle, y: y.handle };
    if (table.dtype === 'i8') table.device.run('embeddingInt8', { ...sizes, q: table.handle, scales: table.scales });
    else table.device.run('embedding', { ...sizes, table: table.handle });
    return { outputs: { y } };
  },
  gradient({ inputs: { ids, table }, axes }, { y: dy }) {
    if (!dy) return {};
    const dtable = Tensor.like(table);
    table.device.run('embeddingBackward', {
      count: ids.size,
      vocabulary: axes.v,
      width: axes.m,
      ids: ids.handle,
      dy: dy.handle,
      dtable: dtable.handle,
    });
    return { table: dtable };
  },
});

/** Rows of a table by number: ids (…), i32, table (v m) → (… m), in f32 where the table is in int8. An id outside 0…v−1 rejects the read that depends on it. */
export function embedding(ids: Tensor, table: Tensor): Tensor<Float> {
  return op({ ids, table }, {}).y;
}
