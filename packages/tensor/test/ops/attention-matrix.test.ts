import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  add,
  attentionMatrix,
  attentionMatrixReduced,
  multiply,
  selectiveScan,
  slice,
  Tensor,
  type AttentionMatrixInputs,
} from '../../src/index.js';
import { attention } from '../reference/selective-scan.js';
import { scanInputs, scanShapes, type ScanShape } from '../scans.js';
import { array, download, expectClose, Random, runs, upload, type HostArray } from '../support.js';

const plain = { D: false, deltaBias: false, z: false, initialState: false, lengths: undefined };

function dynamics(shape: ScanShape): { arrays: Record<string, HostArray>; inputs: AttentionMatrixInputs } {
  const { delta, A, B, C, u } = scanInputs({ ...shape, ...plain });
  const arrays = { delta: delta!, A: A!, B: B!, C: C!, u: u! };
  return { arrays, inputs: { delta: upload(arrays.delta), A: upload(arrays.A), B: upload(arrays.B), C: upload(arrays.C) } };
}

/** Mean over the channels of f(α): (b l l). */
function meanOf(alpha: HostArray, f: (x: number) => number): HostArray {
  const [batch, d, l] = alpha.shape as [number, number, number];
  return array([batch, l, l], (flat) => {
    const [b, entry] = [Math.floor(flat / (l * l)), flat % (l * l)];
    let total = 0;
    for (let channel = 0; channel < d; channel++) total += f(alpha.data[(b * d + channel) * l * l + entry]!);
    return total / d;
  });
}
const reductions = { mean: (x: number) => x, meanAbs: Math.abs, meanPositive: (x: number) => Math.max(x, 0) } as const;
type Reduce = keyof typeof reductions;

test('α of chosen channels, in the order asked for, is its definition', () =>
  fc.assert(
    fc.asyncProperty(scanShapes(20), fc.array(fc.nat(26), { minLength: 1, maxLength: 5 }), async (shape, picks) => {
      const { arrays, inputs } = dynamics(shape);
      const alpha = attention(arrays);
      const [batch, d, l] = alpha.shape as [number, number, number];
      const channels = picks.map((pick) => pick % d);
      const expected = array([batch, channels.length, l, l], (flat) => {
        const [b, c, entry] = [Math.floor(flat / (channels.length * l * l)), Math.floor(flat / (l * l)) % channels.length, flat % (l * l)];
        return alpha.data[(b * d + channels[c]!) * l * l + entry]!;
      });
      expectClose(await download(attentionMatrix(inputs, { channels })), expected);
    }),
    runs(20),
  ));

test('α·u + D u is the scan: parallel = attention', () =>
  fc.assert(
    fc.asyncProperty(scanShapes(70), async (shape) => {
      const { arrays, inputs } = dynamics(shape);
      const [batch, l, d] = arrays.u!.shape as [number, number, number];
      const u = upload(arrays.u!);
      const D = Tensor.from(Float32Array.from({ length: d }, (_, i) => i / d - 0.5));
      const alpha = await download(attentionMatrix(inputs, { channels: Array.from({ length: d }, (_, i) => i) }));
      const applied = array([batch, l, d], (flat) => {
        const [b, i, channel] = [Math.floor(flat / (l * d)), Math.floor(flat / d) % l, flat % d];
        let total = 0;
        for (let j = 0; j < l; j++) total += alpha.data[((b * d + channel) * l + i) * l + j]! * arrays.u!.data[(b * l + j) * d + channel]!;
        return total;
      });
      expectClose(await download(selectiveScan({ ...inputs, u, D }).y), await download(add(upload(applied), multiply(u, D))));
    }),
    runs(12),
  ));

test.each(Object.keys(reductions) as Reduce[])('%s over the channels is the mean of the matrices', (reduce) =>
  fc.assert(
    fc.asyncProperty(scanShapes(40), async (shape) => {
      const { arrays, inputs } = dynamics(shape);
      expectClose(await download(attentionMatrixReduced(inputs, { reduce })), meanOf(attention(arrays), reductions[reduce]));
    }),
    runs(10),
  ),
);

test('rows and columns of each channel are scaled before anything is clamped or averaged', () =>
  fc.assert(
    fc.asyncProperty(scanShapes(40), fc.boolean(), async (shape, both) => {
      const { arrays, inputs } = dynamics(shape);
      const random = new Random(shape.seed);
      const [rows, columns] = [random.array(arrays.delta!.shape), random.array(arrays.delta!.shape)];
      const alpha = attention(arrays);
      const [, d, l] = alpha.shape as [number, number, number];
      const scaled = array(alpha.shape, (flat) => {
        const [b, channel, i, j] = [Math.floor(flat / (d * l * l)), Math.floor(flat / (l * l)) % d, Math.floor(flat / l) % l, flat % l];
        const at = (position: number): number => (b * l + position) * d + channel;
        return alpha.data[flat]! * (both ? rows.data[at(i)]! : 1) * columns.data[at(j)]!;
      });
      const scales = { columnScale: upload(columns), ...(both ? { rowScale: upload(rows) } : {}) };
      for (const reduce of Object.keys(reductions) as Reduce[])
        expectClose(await download(attentionMatrixReduced({ ...inputs, ...scales }, { reduce })), meanOf(scaled, reductions[reduce]));
    }),
    runs(10),
  ));

test('a mean over many blocks, decays that underflow included', async () => {
  const { arrays, inputs } = dynamics({ batch: 1, length: 300, perGroup: 3, state: 2, groups: 1, ...plain, seed: 2 });
  for (const reduce of Object.keys(reductions) as Reduce[]) {
    expectClose(await download(attentionMatrixReduced(inputs, { reduce })), meanOf(attention(arrays), reductions[reduce]), 1e-5, reduce);
  }
});

test('tiles of rows are the rows of the whole', () =>
  fc.assert(
    fc.asyncProperty(scanShapes(60), fc.nat(100), fc.nat(100), async (shape, p, q) => {
      const { inputs } = dynamics(shape);
      const rowStart = p % shape.length;
      const rows = q % (shape.length - rowStart + 1);
      const whole = attentionMatrix(inputs, { channels: [0] });
      const tile = attentionMatrix(inputs, { channels: [0], rowStart, rows });
      expectClose(await download(tile), await download(slice(whole, 2, rowStart, rowStart + rows)), 1e-6);
      for (const reduce of Object.keys(reductions) as Reduce[]) {
        const reduced = attentionMatrixReduced(inputs, { reduce, rowStart, rows });
        expectClose(
          await download(reduced),
          await download(slice(attentionMatrixReduced(inputs, { reduce }), 1, rowStart, rowStart + rows)),
          2e-6,
          reduce,
        );
      }
    }),
    runs(15),
  ));

test('channels and rows that do not exist', () => {
  const { inputs } = dynamics({ batch: 1, length: 5, perGroup: 3, state: 2, groups: 1, ...plain, seed: 2 });
  expect(() => attentionMatrix(inputs, { channels: [0, 3] })).toThrow('attentionMatrix: no channel 3; delta (1, 5, 3) has channels 0…2');
  expect(() => attentionMatrixReduced(inputs, { reduce: 'mean', rowStart: 4, rows: 2 })).toThrow(
    'attentionMatrixReduced: rows 4…5 were asked for; the input has 5 positions, so rows 0…4',
  );
});
