import { scope, selectiveScan, Tensor } from '@hidden-attention/tensor';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import type { BlockParts } from '@hidden-attention/model';
import { attentionView, LiveAttention, rolloutLongRow, scaledLayer, type AttentionLayer, type Reduce, type Scales } from '../src/index.js';
import { dense, distance, numbers, parts, randomIds, randomNumbers, smallModel } from './support.js';

const close = 2e-6; // f32, sums of up to a few hundred numbers
const model = smallModel();
const view = await attentionView(model, randomIds(1, 9, 13, 1));
const softmaxView = await attentionView(
  smallModel({ hidden: 16, extra: { model_type: 'gpt_neox', num_attention_heads: 8 } }),
  randomIds(1, 9, 13, 1),
);
afterAll(() => {
  view.dispose();
  softmaxView.dispose();
});

/** Random factors of a layer's rows and columns. */
function scalesFor({ shape }: AttentionLayer): Scales {
  const random = (seed: number): Tensor => Tensor.from(randomNumbers(seed, shape[0] * shape[1] * shape[2]), shape);
  return { rows: random(3), columns: random(4) };
}

const layers: [name: string, layer: AttentionLayer][] = [
  ...parts.map((part): [string, AttentionLayer] => [part, view.layer(1).of(part)]),
  ...(['conv', 'gate', 'activation'] as const).map((factor): [string, AttentionLayer] => [
    `block without ${factor}`,
    view.layer(1).block({ without: [factor] }),
  ]),
  ['scan with rows and columns scaled', scaledLayer(view.layer(1), scalesFor(view.layer(1)))],
  ['softmax with rows and columns scaled', scaledLayer(softmaxView.layer(1), scalesFor(softmaxView.layer(1).block()))],
  ['softmax, a channel a head', softmaxView.layer(1)],
  ['softmax, block', softmaxView.layer(1).block()],
];

describe.each(layers)('layer.of(%s)', (_, layer) => {
  const [batch, length, channels] = layer.shape;
  const at =
    (c: number) =>
    (b: number, i: number, j: number, m: Awaited<ReturnType<typeof dense>>): number =>
      m(b, c, i, j);

  test('rows and columns are those of the matrix, for every channel', async () => {
    const matrix = await dense(layer);
    const row = await numbers(layer.row('last', { channels: 'all' }));
    const third = await numbers(layer.column(0, { channels: 'all' }));
    const expectedRow: number[] = [];
    const expectedColumn: number[] = [];
    for (let b = 0; b < batch; b++)
      for (let c = 0; c < channels; c++)
        for (let j = 0; j < length; j++) {
          expectedRow.push(at(c)(b, layer.lengths[b]! - 1, j, matrix));
          expectedColumn.push(at(c)(b, j, 0, matrix));
        }
    expect(distance(row, expectedRow)).toBeLessThan(close);
    expect(distance(third, expectedColumn)).toBeLessThan(close);
  });

  test.each(['value', 'magnitude'] as const)('the largest entries of rows, by %s', async (by) => {
    const matrix = await dense(layer);
    const size = (value: number): number => (by === 'magnitude' ? Math.abs(value) : value);
    const all = await layer.topRows({ k: 3, by });
    const last = layer.topRow('last', { k: 3, by });
    const [values, indices] = [await last.values.read(), await last.indices.read()];
    for (let b = 0; b < batch; b++)
      for (let i = 0; i < layer.lengths[b]!; i++) {
        const meanOver = (part: (value: number) => number): number[] =>
          Array.from({ length: i + 1 }, (_, j) => {
            let mean = 0;
            for (let c = 0; c < channels; c++) mean += part(matrix(b, c, i, j)) / channels;
            return mean;
          });
        const row = meanOver((value) => value);
        const scale = Math.max(...meanOver(Math.abs), 1e-30); // a mean of both signs errs by what was added up, however small it is
        const best = [...row].sort((x, y) => size(y) - size(x));
        for (let s = 0; s < 3; s++) {
          const at = (b * length + i) * 3 + s;
          expect(Math.abs(all.values[at]! - (best[s] ?? 0)) / scale).toBeLessThan(1e-5);
          if (s <= i) expect(Math.abs(row[all.indices[at]!]! - all.values[at]!) / scale).toBeLessThan(1e-5);
          else expect(all.indices[at]).toBe(-1);
          if (i === layer.lengths[b]! - 1) {
            expect(Math.abs(values[b * 3 + s]! - all.values[at]!) / scale).toBeLessThan(1e-5);
            expect(indices[b * 3 + s] === -1).toBe(s > i);
          }
        }
      }
  });

  test('the matrix is causal and zero past the end of a row', async () => {
    const matrix = await dense(layer);
    for (let b = 0; b < batch; b++)
      for (let i = 0; i < length; i++)
        for (let j = 0; j < length; j++) if (j > i || i >= layer.lengths[b]!) expect(matrix(b, 0, i, j) + 0).toBe(0); // −0 is 0
  });

  test('v ↦ m·v and g ↦ mᵀ·g are products with the matrix, and adjoint', async () => {
    const v = Tensor.from(randomNumbers(5, batch * length * channels), layer.shape);
    const g = Tensor.from(randomNumbers(6, batch * length * channels), layer.shape);
    const [applied, transposed, vs, gs] = await Promise.all([layer.apply(v), layer.applyTransposed(g), v, g].map(numbers));
    const matrix = await dense(layer);
    const expected = new Float64Array(batch * length * channels);
    for (let b = 0; b < batch; b++)
      for (let i = 0; i < length; i++)
        for (let c = 0; c < channels; c++)
          for (let j = 0; j <= i; j++)
            expected[(b * length + i) * channels + c]! += matrix(b, c, i, j) * vs![(b * length + j) * channels + c]!;
    expect(distance(applied!, expected)).toBeLessThan(close);
    const dot = (a: Float64Array, b: Float64Array): number => a.reduce((sum, value, k) => sum + value * b[k]!, 0);
    expect(Math.abs(dot(transposed!, vs!) - dot(gs!, applied!))).toBeLessThan(1e-5 * Math.max(1, Math.abs(dot(gs!, applied!))));
  });

  test.each<Reduce>(['mean', 'meanAbs', 'meanPositive'])(
    'reduce %s: matrix, row, column, row sums, and the matrix in parts',
    async (reduce) => {
      const matrix = await dense(layer);
      const f = { mean: (x: number) => x, meanAbs: Math.abs, meanPositive: (x: number) => Math.max(x, 0) }[reduce];
      const expected = new Float64Array(batch * length * length);
      for (let b = 0; b < batch; b++)
        for (let i = 0; i < length; i++)
          for (let j = 0; j < length; j++)
            for (let c = 0; c < channels; c++) expected[(b * length + i) * length + j]! += f(matrix(b, c, i, j)) / channels;
      const rowOf = (b: number, i: number): Float64Array => expected.slice((b * length + i) * length, (b * length + i + 1) * length);
      expect(distance(await numbers(layer.matrix({ reduce })), expected)).toBeLessThan(close);
      for (const rows of [[3, 4, 5, 6], [1], [0, 1, 2]]) {
        const some = await numbers(layer.matrix({ reduce, rows: { start: rows[0]!, end: rows.at(-1)! + 1 } }));
        const wanted = [0, 1, 2].flatMap((b) => rows.flatMap((i) => [...rowOf(b, i)]));
        expect(distance(some, wanted)).toBeLessThan(close);
      }
      const last = await numbers(layer.row('last', { reduce }));
      expect(
        distance(
          last,
          [0, 1, 2].flatMap((b) => [...rowOf(b, layer.lengths[b]! - 1)]),
        ),
      ).toBeLessThan(close);
      const sums = await numbers(layer.rowSums({ reduce }));
      expect(
        distance(
          sums,
          [0, 1, 2].flatMap((b) => Array.from({ length }, (_, i) => rowOf(b, i).reduce((s, x) => s + x, 0))),
        ),
      ).toBeLessThan(close);
      const first = await numbers(layer.column(0, { reduce }));
      if (reduce === 'mean')
        expect(
          distance(
            first,
            [0, 1, 2].flatMap((b) => Array.from({ length }, (_, i) => rowOf(b, i)[0]!)),
          ),
        ).toBeLessThan(close);
    },
  );

  test('channels come in the order asked for', async () => {
    const matrix = await dense(layer);
    const two = await numbers(layer.matrix({ channels: [7, 2] }));
    const expected: number[] = [];
    for (let b = 0; b < batch; b++)
      for (const c of [7, 2]) for (let i = 0; i < length; i++) for (let j = 0; j < length; j++) expected.push(matrix(b, c, i, j));
    expect(distance(two, expected)).toBeLessThan(close);
    expect(
      distance(
        await numbers(layer.rowSums({ channels: [4] })),
        await numbers(scope(() => layer.rowSums({ channels: [4, 4] }))).then((twice) =>
          [0, 1, 2].flatMap((b) => Array.from(twice.slice(2 * b * length, (2 * b + 1) * length))),
        ),
      ),
    ).toBe(0);
  });
});

test('α times the scan input, plus the skip, is what the scan gives, for any shape', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        layers: fc.integer({ min: 1, max: 3 }),
        hidden: fc.integer({ min: 1, max: 19 }),
        state: fc.integer({ min: 1, max: 17 }),
        kernel: fc.integer({ min: 2, max: 4 }),
      }),
      fc.array(fc.integer({ min: 1, max: 37 }), { minLength: 1, maxLength: 3 }),
      fc.integer({ min: 1, max: 1000 }),
      async (sizes, lengths, seed) => {
        const small = smallModel(sizes, seed);
        using some = await attentionView(small, randomIds(seed, ...lengths));
        for (let index = 0; index < some.layers; index++) {
          const layer = some.layer(index);
          const { u, D, ...dynamics } = layer.parts() as BlockParts;
          const { delta, A, B, C } = dynamics;
          const matrix = await dense(layer);
          const [us, ds, y] = await Promise.all([u, D, selectiveScan({ u, delta, A, B, C, D }).y].map(numbers));
          const [batch, length, channels] = layer.shape;
          const said = new Float64Array(y!.length);
          for (let b = 0; b < batch; b++)
            for (let i = 0; i < length; i++)
              for (let c = 0; c < channels; c++) {
                const place = (b * length + i) * channels + c;
                said[place] = ds![c]! * us![place]!;
                for (let j = 0; j <= i; j++) said[place]! += matrix(b, c, i, j) * us![(b * length + j) * channels + c]!;
              }
          expect(distance(said, y!)).toBeLessThan(5e-6);
        }
        small.dispose();
      },
    ),
    { numRuns: 12, seed: 7 },
  );
});

test('a row of a padded batch is the row alone', async () => {
  const ids = randomIds(1, 9, 13, 1);
  for (const [row, own] of ids.entries()) {
    using alone = await attentionView(model, [own]);
    for (const part of parts) {
      const padded = await numbers(view.layer(-1).of(part).row('last'));
      const single = await numbers(alone.layer(-1).of(part).row('last'));
      const length = 13;
      expect(distance(padded.slice(row * length, row * length + own.length), single)).toBeLessThan(5e-6);
      expect(Array.from(padded.slice(row * length + own.length, (row + 1) * length)).every((value) => value === 0)).toBe(true);
    }
  }
});

test('what does not exist is refused by name, with what there is', () => {
  expect(() => view.layer(3)).toThrow('layer 3 does not exist; the model has layers 0 to 2');
  expect(() => view.layer(-1).row(9)).toThrow('position 9 of row 0 does not exist; the row has positions 0 to 8');
  expect(() => view.layer(0).row('last', { channels: [24] })).toThrow('channel 24 does not exist; the layer has channels 0 to 23');
  expect(() => view.layer(0).row('last', { channels: [0], reduce: 'mean' })).toThrow('both asked for');
  expect(() => view.layer(0).matrix({ rows: { start: 4, end: 14 } })).toThrow(
    'rows 4 to 13 of layer 0 were asked for; it has rows 0 to 12',
  );
  expect(() => view.layer(0).of('gate' as 'scan')).toThrow("no part 'gate'; it has scan, block, unified, literal");
  expect(() => view.layer(0).row('last', { reduce: 'max' as 'mean' })).toThrow('mean, meanAbs, meanPositive');
});

test('a matrix that does not fit is refused before it is made, with its size and the linear ways', async () => {
  const narrow = smallModel({ layers: 1, hidden: 4, state: 1 });
  using long = await attentionView(narrow, [new Int32Array(600_000)]);
  const before = model.device.memory().live;
  expect(() => long.layer(0).matrix()).toThrow(
    /the matrix of layer 0 \(1 × 1 × 600000 × 600000 numbers\) would take 1\.4 TB; the device has .* free\. Ask for a row or a column/,
  );
  expect(model.device.memory().live).toBe(before);
  narrow.dispose();
});

test('what only a scan has is refused of softmax attention, by name', async () => {
  const { model: softmax } = softmaxView;
  expect(softmaxView.layer(0).kind).toBe('softmax');
  expect(() => softmaxView.layer(0).of('literal')).toThrow(/layer 0 is softmax attention/);
  expect(() => new LiveAttention(softmax)).toThrow(/live attention follows the states of scans; this model has none/);
  expect(() => new LiveAttention(softmax, { layers: [1] })).toThrow(/layer 1 is softmax attention/);
  await expect(rolloutLongRow(softmax, [1, 2, 3])).rejects.toThrow(/a rollout in pieces .* layer 0 is softmax attention/);
});
