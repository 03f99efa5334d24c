// Rows that hold several texts: each is seen as it is alone, and reads of no other.
import { describe, expect, test } from 'vitest';
import { attentionView, knockoutPatches, type AttentionLayer } from '../src/index.js';
import { distance, numbers, randomIds, randomNumbers, smallModel } from './support.js';
import { Tensor } from '@hidden-attention/tensor';

const close = 3e-6;
const lengths = [4, 1, 7, 3];
const texts = lengths.map((length, t) => randomIds(t + 1, length)[0]!);
/** two rows: three texts, and one */
const rows = [texts.slice(0, 3).flat(), texts[3]!];
const starts = [0, 4, 5, 12]; // rows are 12 long

const softmax = { hidden: 16, extra: { model_type: 'gpt_neox', num_attention_heads: 4 } };
const kinds: [string, Parameters<typeof smallModel>[0], 'scan' | 'block' | 'unified'][] = [
  ['the scan', {}, 'scan'],
  ['the block', {}, 'block'],
  ['the block as published', {}, 'unified'],
  ['softmax', softmax, 'scan'],
  ['a softmax block', softmax, 'block'],
];

describe.each(kinds)('%s', (_, sizes, part) => {
  const model = smallModel(sizes);
  const views = async (): Promise<{ packed: AttentionLayer; alone: AttentionLayer[]; dispose: () => void }> => {
    const batch = model.batch(rows, { texts: [lengths.slice(0, 3), [3]] });
    const [packed, ...alone] = [
      await attentionView(model, batch),
      ...(await Promise.all(texts.map((text) => attentionView(model, [text])))),
    ];
    return {
      packed: packed!.layer(1).of(part),
      alone: alone.map((view) => view.layer(1).of(part)),
      dispose: () => [packed!, ...alone].forEach((view) => view.dispose()),
    };
  };

  test.each([{ channels: 'all' }, { reduce: 'mean' }, { reduce: 'meanAbs' }] as const)(
    'matrices, rows, columns and row sums, %o',
    async (choice) => {
      const { packed, alone, dispose } = await views();
      const all = await numbers(packed.matrix(choice));
      const sums = await numbers(packed.rowSums(choice));
      const heads = all.length / (2 * 12 * 12);
      const expected = new Float64Array(all.length);
      const expectedSums = new Float64Array(sums.length);
      for (const [t, layer] of alone.entries()) {
        const own = await numbers(layer.matrix(choice));
        const ownSums = await numbers(layer.rowSums(choice));
        const [n, b, first] = [lengths[t]!, t === 3 ? 1 : 0, starts[t]! % 12];
        for (let c = 0; c < heads; c++)
          for (let i = 0; i < n; i++) {
            expectedSums[(b * heads + c) * 12 + first + i] = ownSums[c * n + i]!;
            for (let j = 0; j < n; j++) expected[((b * heads + c) * 12 + first + i) * 12 + first + j] = own[(c * n + i) * n + j]!;
          }
      }
      expect(distance(all, expected)).toBeLessThan(close);
      expect(distance(sums, expectedSums)).toBeLessThan(close);
      expect(all.every((value, at) => value === 0 || expected[at] !== 0)).toBe(true); // nothing at all across a boundary
      const at = (b: number, c: number, i: number, j: number): number => expected[((b * heads + c) * 12 + i) * 12 + j]!;
      const row = await numbers(packed.row(-1, choice));
      const column = await numbers(packed.column(1, choice));
      const each = Array.from(
        { length: 2 * heads * 12 },
        (_n, k) => [Math.floor(k / 12 / heads), Math.floor(k / 12) % heads, k % 12] as const,
      );
      expect(
        distance(
          row,
          each.map(([b, c, j]) => at(b, c, b === 0 ? 11 : 2, j)),
        ),
      ).toBeLessThan(close);
      expect(
        distance(
          column,
          each.map(([b, c, i]) => at(b, c, i, 1)),
        ),
      ).toBeLessThan(close);
      dispose();
    },
  );

  test('products', async () => {
    const { packed, alone, dispose } = await views();
    const [, , channels] = packed.shape;
    const v = randomNumbers(9, 2 * 12 * channels);
    for (const product of ['apply', 'applyTransposed'] as const) {
      const all = await numbers(packed[product](Tensor.from(v, [2, 12, channels])));
      for (const [t, layer] of alone.entries()) {
        const [from, to] = [starts[t]! * channels, (starts[t]! + lengths[t]!) * channels];
        const own = await numbers(layer[product](Tensor.from(v.slice(from, to), [1, lengths[t]!, channels])));
        expect(distance(all.slice(from, to), own)).toBeLessThan(close);
      }
    }
    dispose();
  });
});

test('rows as the released code computes them are refused', async () => {
  const model = smallModel();
  using view = await attentionView(model, model.batch(rows, { texts: [lengths.slice(0, 3), [3]] }));
  expect(() => view.layer(0).of('literal')).toThrow(/those of one text; give each text a row of its own/);
});

test.each([
  ['scan', {}],
  ['softmax', softmax],
])('edges of %s layers are cut within their text alone', async (_, sizes) => {
  const model = smallModel(sizes);
  const batch = model.batch(rows, { texts: [lengths.slice(0, 3), [3]] });
  const cut = { edges: [{ from: [10, 11], to: [11] }] };
  const first = model.batch([rows[0]!], { texts: [lengths.slice(0, 3)] });
  const together = await numbers(model.forward(first, { patch: await knockoutPatches(model, first, cut) }).logits!);
  const own = model.batch([texts[2]!]);
  const alone = await numbers(
    model.forward(own, { patch: await knockoutPatches(model, own, { edges: [{ from: [5, 6], to: [6] }] }) }).logits!,
  );
  expect(distance(together.slice(5 * 40), alone)).toBeLessThan(close);
  const plain = await numbers(model.forward(batch).logits!);
  expect(distance(together.slice(0, 5 * 40), plain.slice(0, 5 * 40))).toBeLessThan(close);
  expect(distance(together.slice(11 * 40), plain.slice(11 * 40, 12 * 40))).toBeGreaterThan(1e-4);
});
