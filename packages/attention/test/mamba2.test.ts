// Mamba-2 over more positions than a chunk of its scan has, with states as large as published models have.
import { createModel, disposeState, type Model } from '@hidden-attention/model';
import type { Tensor } from '@hidden-attention/tensor';
import { expect, test } from 'vitest';
import { attentionView, audit, LiveAttention } from '../src/index.js';
import { distance } from './support.js';

const length = 150;
const ids = Array.from({ length }, (_, at) => (at * at * 7 + 3 * at) % 23);

const expectClose = (got: ArrayLike<number>, want: ArrayLike<number>): void => expect(distance(got, want)).toBeLessThan(1e-5);

function mamba2(stateSize: number): Model {
  const sizes = { vocab_size: 23, hidden_size: 12, num_hidden_layers: 2, initializer_range: 0.5, n_groups: 2 };
  return createModel({ ...sizes, model_type: 'mamba2', num_heads: 4, head_dim: 6, state_size: stateSize }, { seed: 3 });
}

test.each([20, 256])('the scan in chunks, its steps and its attention agree, with %i states', async (stateSize) => {
  const model = mamba2(stateSize);
  const whole = model.forward(model.batch([ids]), { logits: 'last' });
  let state = model.forward(model.batch([ids.slice(0, 70)]), { logits: 'none' }).state;
  let logits: Tensor | undefined;
  for (const id of ids.slice(70)) ({ state, logits } = model.forward(model.batch([[id]]), { state, logits: 'last' }));
  expectClose(await logits!.read(), await whole.logits!.read());
  using view = await attentionView(model, [ids]);
  expect((await audit(view)).worst).toBeLessThan(1e-5);
  disposeState(state);
});

test('heads are the channels: rows and columns of each are those of its matrix, the mean is theirs', async () => {
  const model = mamba2(20);
  using view = await attentionView(model, [ids]);
  const layer = view.layer(1);
  const heads = 4;
  expect(layer.shape).toEqual([1, length, heads]);
  const matrix = await layer.matrix({ channels: 'all' }).read(); //                                   (heads l l)
  const at = (head: number, i: number, j: number): number => matrix[(head * length + i) * length + j]!;
  const eachHead = (number: (head: number, k: number) => number): number[] =>
    Array.from({ length: heads * length }, (_, i) => number(Math.floor(i / length), i % length));
  expectClose(
    await layer.row(130, { channels: 'all' }).read(),
    eachHead((head, k) => at(head, 130, k)),
  );
  expectClose(
    await layer.column(9, { channels: 'all' }).read(),
    eachHead((head, k) => at(head, k, 9)),
  );
  const mean = (of: (x: number) => number): number[] =>
    Array.from({ length: length * length }, (_, i) => {
      let sum = 0;
      for (let head = 0; head < heads; head++) sum += of(matrix[head * length * length + i]!);
      return sum / heads;
    });
  expectClose(
    await layer.matrix().read(),
    mean((x) => x),
  );
  expectClose(await layer.matrix({ reduce: 'meanAbs' }).read(), mean(Math.abs));
  expectClose(
    await layer.matrix({ reduce: 'meanPositive' }).read(),
    mean((x) => Math.max(x, 0)),
  );
});

test('live attention of the newest position is the last row', async () => {
  const model = mamba2(256);
  using live = new LiveAttention(model, { layers: [1], k: 4 });
  const { captured } = model.forward(model.batch([ids]), { capture: [...live.sites], logits: 'none' });
  live.see(captured);
  const [row] = await live.rows();
  using view = await attentionView(model, [ids]);
  const last = await view.layer(1).row('last').read();
  for (const { position, value } of row!.top) expect(Math.abs(value - last[position]!)).toBeLessThan(1e-5 * Math.abs(row!.top[0]!.value));
});
