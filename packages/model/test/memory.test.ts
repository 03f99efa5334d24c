import { expect, test } from 'vitest';
import { createModel, disposeState, forkState, joinRows, selectRows, type ForwardResult } from '../src/index.js';
import { tinyModel } from './fixtures/models.js';

// In a file of its own: here nothing but the tests' own work holds memory on the device, and nothing is left to the collector.
const model = tinyModel();
const batch = model.batch([
  [1, 2, 3, 4],
  [5, 6],
]);
const held = (): number => model.device.memory().live;
const start = held();

function dispose({ logits, state, captured }: ForwardResult): void {
  logits?.dispose();
  disposeState(state);
  for (const tensor of Object.values(captured)) tensor.dispose();
}

test('nothing of a pass stays but its result', () => {
  dispose(model.forward(batch));
  dispose(model.forward(batch, { capture: ['*', '*.*.*'] }));
  dispose(model.forward(batch, { logits: 'last', spelledOut: true }));
  dispose(model.forward(batch, { logits: 'none' }));
  expect(held()).toBe(start);
});

test('a pass that is refused leaves nothing', () => {
  expect(() => model.forward(batch, { patch: { 'layers.1.output': (value) => value.view([1, value.size]) } })).toThrow(/patch of/);
  expect(held()).toBe(start);
});

test('states that are picked, joined and forked leave nothing but themselves', () => {
  const { state, logits } = model.forward(batch);
  logits!.dispose();
  const made = [selectRows(state, [1, 0, 1]), forkState(state), joinRows([state, state])];
  for (const one of [state, ...made]) disposeState(one);
  expect(held()).toBe(start);
});

test('a pass holds what one layer makes on the way, not what all of them do', async () => {
  const peakOf = async (layers: number): Promise<number> => {
    const own = createModel(
      { model_type: 'mamba', vocab_size: 10, hidden_size: 32, num_hidden_layers: layers, state_size: 4 },
      { seed: 1 },
    );
    await own.device.finish();
    own.device.memory({ resetPeak: true });
    const before = held();
    dispose(own.forward(own.batch([Array.from({ length: 512 }, (_, i) => i % 10)]), { logits: 'last' }));
    await own.device.finish();
    const { peak } = own.device.memory();
    own.dispose();
    return peak - before;
  };
  expect(await peakOf(8)).toBeLessThan(1.2 * (await peakOf(2)));
});
