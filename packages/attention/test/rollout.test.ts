import { createModel } from '@hidden-attention/model';
import { expect, test } from 'vitest';
import { attentionView, rollout, rolloutLongRow, rolloutMatrix, throughEdges, type EdgeOptions, type Normalize } from '../src/index.js';
import { distance, numbers, randomIds, randomNumbers, smallModel } from './support.js';

const model = smallModel({ layers: 3 });

/** (I + m^Λ)⋯(I + m^s), row t, in float64 from the matrices. */
function denseRow(matrices: Float64Array[], length: number, position: number, normalize: Normalize): Float64Array {
  let v = new Float64Array(length);
  v[position] = 1;
  for (const m of matrices.toReversed()) {
    const next = new Float64Array(length);
    for (let i = 0; i < length; i++) {
      let sum = 1;
      for (let j = 0; j < length; j++) sum += m[i * length + j]!;
      const weight = normalize === 'rows' ? v[i]! / sum : v[i]!;
      for (let j = 0; j < length; j++) next[j]! += weight * (m[i * length + j]! + (i === j ? 1 : 0));
    }
    v = next;
  }
  return v;
}

const kinds: EdgeOptions[] = [{}, { reduce: 'meanAbs' }, { reduce: 'meanPositive' }, { clamp: 'positive' }, { clamp: 'absolute' }];
for (const normalize of ['none', 'rows'] as const) {
  test.each(kinds)(`rollout %o with normalize ${normalize} is the product of the matrices`, async (kind) => {
    const length = 30;
    using view = await attentionView(model, randomIds(2, length));
    const columns = [0, 1, 2].map((layer) => randomNumbers(layer + 40, length));
    const matrices: Float64Array[] = [];
    for (let layer = 0; layer < 3; layer++) {
      const reduced = await numbers(view.layer(layer).matrix({ reduce: kind.reduce ?? 'mean' }));
      const clamp = { none: (x: number) => x, positive: (x: number) => Math.max(x, 0), absolute: Math.abs }[kind.clamp ?? 'none'];
      matrices.push(reduced.map((value, at) => clamp(value * columns[layer]![at % length]!)));
    }
    const { data, layers, largestValue, smallestRowSum } = await rollout(view, { ...kind, normalize, columns, position: -3 });
    const condition = Math.max(1, largestValue) / Math.min(1, smallestRowSum);
    expect(distance(data, denseRow(matrices, length, length - 3, normalize))).toBeLessThan(1e-5 * condition);
    expect(distance(layers[1]!, denseRow(matrices.slice(1), length, length - 3, normalize))).toBeLessThan(1e-5 * condition);
    expect(Array.from(data.slice(length - 2))).toEqual([0, 0]);
  });
}

test('the linear rollout is a row of the matrix form at 512 positions', async () => {
  const ids = randomIds(3, 512);
  using view = await attentionView(model, ids);
  for (const normalize of ['none', 'rows'] as const) {
    const { matrix, exponent } = await rolloutMatrix(view, { normalize, startLayer: 1 });
    const last = (await numbers(matrix)).slice(511 * 512).map((value) => value * 2 ** exponent);
    const row = await rollout(view, { normalize, startLayer: 1 });
    expect(distance(row.data, last)).toBeLessThan(1e-5 / Math.min(1, row.smallestRowSum));
    const long = await rolloutLongRow(model, ids[0]!, { normalize, startLayer: 1, piece: 100 });
    expect(distance(long.data, row.data)).toBeLessThan(1e-5 / Math.min(1, row.smallestRowSum));
    expect(long.layers[0]).toBeUndefined();
    expect(distance(long.layers[2]!, row.layers[2]!)).toBeLessThan(1e-5);
  }
});

test('a start vector gives that mixture of rows', async () => {
  using view = await attentionView(model, randomIds(4, 6, 4));
  const { matrix, exponent } = await rolloutMatrix(view, { of: 'block' });
  const all = (await numbers(matrix)).map((value) => value * 2 ** exponent);
  const start = new Float64Array([1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0]).map((value, at) => value / (at < 6 ? 6 : 4));
  const { data } = await rollout(view, { of: 'block', start });
  const expected = new Float64Array(12);
  for (let b = 0; b < 2; b++)
    for (let i = 0; i < 6; i++) for (let j = 0; j < 6; j++) expected[b * 6 + j]! += start[b * 6 + i]! * all[(b * 6 + i) * 6 + j]!;
  expect(distance(data, expected)).toBeLessThan(1e-5);
});

test('numbers beyond float32 are carried by their exponent', async () => {
  using view = await attentionView(model, randomIds(5, 8));
  const small = Float64Array.from(randomNumbers(1, 8));
  const plain = await throughEdges(view.layer(0), small);
  const huge = await throughEdges(
    view.layer(0),
    small.map((value) => value * 2 ** 300),
  );
  expect(
    distance(
      huge.map((value) => value / 2 ** 300),
      plain,
    ),
  ).toBeLessThan(1e-6);
});

test('an ill-conditioned row is reported', async () => {
  using view = await attentionView(model, randomIds(6, 5));
  const [first] = await numbers(view.layer(2).rowSums()); // row 0 then has the sum of its diagonal: scaled to −1 + 1e-5
  const columns = [undefined, undefined, new Float32Array(5).fill((-1 + 1e-5) / first!)];
  const { warning, smallestRowSum } = await rollout(view, { normalize: 'rows', columns, position: 0 });
  expect(smallestRowSum).toBeLessThan(1e-4);
  expect(warning).toMatch(/sums to .* amplifies rounding/);
});

test('a rollout over a long text takes memory in proportion to a piece', async () => {
  const wide = createModel({ model_type: 'mamba', vocab_size: 32, hidden_size: 32, num_hidden_layers: 2 }, { seed: 3 });
  const text = Int32Array.from({ length: 20_000 }, (_, i) => (i * i) % 32);
  const peakOf = async (length: number): Promise<number> => {
    const before = wide.device.memory({ resetPeak: true }).live;
    const { data } = await rolloutLongRow(wide, text.subarray(0, length), { piece: 1000 });
    expect(data.every(Number.isFinite)).toBe(true);
    return wide.device.memory().peak - before;
  };
  const half = await peakOf(10_000);
  expect(await peakOf(20_000)).toBeLessThan(1.25 * half);
  wide.dispose();
});

test('what can not be rolled out is refused', async () => {
  using view = await attentionView(model, randomIds(7, 4));
  await expect(rollout(view, { startLayer: 3 })).rejects.toThrow('startLayer is 3; the model has layers 0 to 2');
  await expect(rollout(view, { position: 4 })).rejects.toThrow('position 4 of row 0 does not exist');
  await expect(rolloutLongRow(model, [1, 2], { startLayer: -1 })).rejects.toThrow('startLayer is -1');
  await expect(rolloutLongRow(model, [1, 2], { piece: 0 })).rejects.toThrow('piece is 0');
});
