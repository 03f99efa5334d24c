// Attention to earlier chunks, through the carried state: that of the whole text.
import { describe, expect, test } from 'vitest';
import { createModel, disposeState, forkState, type Model } from '@hidden-attention/model';
import { askedOfState, attentionView, earlierRow, longRow } from '../src/index.js';
import { distance, numbers, randomIds, smallModel } from './support.js';

const close = 1e-5; // f32, a state carried over up to 53 pieces
const [text] = randomIds(3, 53) as [number[]];

describe('a row over three chunks', () => {
  const model = smallModel();
  const ends = [20, 37, 53];

  test.each([{ reduce: 'mean' }, { reduce: 'meanAbs' }, { channels: [0, 7, 3] }] as const)(
    'is that of the whole text, %o',
    async (choice) => {
      using whole = await attentionView(model, [text]);
      let state = model.initialState();
      const views = [];
      for (const [i, end] of ends.entries()) {
        const chunk = [text.slice(ends[i - 1] ?? 0, end)];
        views.push(await attentionView(model, chunk, { state: forkState(state) }));
        const next = model.stepChunk(chunk, state, { logits: 'none' }).state;
        disposeState(state);
        state = next;
      }
      for (const layer of [0, 2])
        for (const position of [0, 9, 15]) {
          const expected = await numbers(whole.layer(layer).row(37 + position, choice));
          const [first, second, third] = views.map((view) => view.layer(layer)) as [never, never, never];
          const own = await numbers((third as ReturnType<typeof whole.layer>).row(position, choice));
          const middle = earlierRow(second, askedOfState(third, position), choice);
          const start = earlierRow(first, middle.asked, choice);
          const parts = [await numbers(start.row), await numbers(middle.row), own];
          const channels = expected.length / text.length;
          const joined = Array.from({ length: channels }, (_, c) =>
            parts.flatMap((part) => [...part.slice((c * part.length) / channels, ((c + 1) * part.length) / channels)]),
          ).flat();
          expect(distance(joined, expected)).toBeLessThan(close);
          expect((await numbers(start.asked)).some((value) => value !== 0)).toBe(true);
        }
      for (const view of views) view.dispose();
      disposeState(state);
    },
  );

  test('softmax layers have no state to ask', async () => {
    const softmax = smallModel({ hidden: 16, extra: { model_type: 'gpt_neox', num_attention_heads: 8 } });
    using view = await attentionView(softmax, [text]);
    expect(() => askedOfState(view.layer(1))).toThrow(/layer 1 is softmax attention.*longRow/);
  });
});

const sizes = { vocab_size: 40, hidden_size: 24, num_hidden_layers: 3, num_attention_heads: 4, initializer_range: 0.15 };
const hybrid = { ...sizes, num_key_value_heads: 2, intermediate_size: 20, attn_layer_period: 2, attn_layer_offset: 1, mamba_d_state: 5 };
const models: [string, Model][] = [
  ['mamba', smallModel()],
  [
    'mamba2',
    createModel({ ...sizes, model_type: 'mamba2', num_heads: 4, head_dim: 6, expand: 1, state_size: 5, n_groups: 2 }, { seed: 2 }),
  ],
  ['gpt_neox', createModel({ ...sizes, model_type: 'gpt_neox' }, { seed: 2 })],
  ['jamba', createModel({ ...hybrid, model_type: 'jamba' }, { seed: 2 })],
];

describe.each(models)('longRow of %s', (_, model) => {
  test.each([1, 7, 53, 100])('in pieces of %i is the row of the whole text', async (piece) => {
    using view = await attentionView(model, [text]);
    for (const [position, choice] of [
      ['last', { reduce: 'meanAbs' }],
      [30, { channels: [0, 2] }],
    ] as const) {
      const rows = await longRow(model, text, { position, piece, ...choice });
      expect(rows.map(({ layer }) => layer)).toEqual([0, 1, 2]);
      for (const { layer, shape, data } of rows) {
        const expected = view.layer(layer).row(position, choice);
        expect(shape).toEqual(expected.shape.slice(1));
        expect(distance(data, await numbers(expected))).toBeLessThan(close);
      }
    }
  });
});

test('memory does not grow with the text, and what cannot be is refused', async () => {
  const model = smallModel({ layers: 2, hidden: 32 });
  const peakOf = async (length: number): Promise<number> => {
    const [ids] = randomIds(1, length) as [number[]];
    const { live } = model.device.memory({ resetPeak: true });
    await longRow(model, ids, { piece: 512 });
    expect(model.device.memory().live).toBeLessThanOrEqual(live);
    return model.device.memory().peak - live;
  };
  const short = await peakOf(2048);
  expect(await peakOf(8192)).toBeLessThan(1.3 * short);
  await expect(longRow(model, text, { position: 53 })).rejects.toThrow(/position 53 of row 0 does not exist/);
  await expect(longRow(model, text, { layers: [2] })).rejects.toThrow(/layer 2 does not exist/);
  await expect(longRow(model, text, { piece: 0 })).rejects.toThrow(/piece is 0/);
  await expect(longRow(model, text, { signal: AbortSignal.abort() })).rejects.toThrow(/abort/i);
});
