// How many threads share the work changes nothing but, within rounding, the order of sums; the same number gives the same bits.
import { Device, gradient, scope, sum } from '@hidden-attention/tensor';
import { expect, test } from 'vitest';
import { createModel, type Model } from '../src/index.js';
import { expectClose } from './fixtures/models.js';

const sizes = { vocab_size: 50, hidden_size: 96, num_hidden_layers: 2 };
const rowsOf = (...lengths: number[]) => lengths.map((length, row) => Int32Array.from({ length }, (_, i) => (i * 7919 + 13 * row) % 50));
const configs = {
  mamba: { ...sizes, model_type: 'mamba', state_size: 16 },
  'mamba of 7 states': { ...sizes, model_type: 'mamba', state_size: 7 },
  mamba2: { ...sizes, model_type: 'mamba2', state_size: 32, head_dim: 32, num_heads: 6, n_groups: 1 },
  gpt_neox: { ...sizes, model_type: 'gpt_neox', num_attention_heads: 4, intermediate_size: 192 },
};
const several = rowsOf(300, 41);
/** So long that the threads share the scan of its few channels. */
const long = rowsOf(4500);

/** Logits, and the gradient of their sum with respect to each parameter. */
async function figuresOf(model: Model, rows: Int32Array[]): Promise<Float32Array[]> {
  const parameters = [...model.parameters.values()];
  const { gradients } = scope(() => gradient(() => sum(model.forward(model.batch(rows)).logits!), parameters));
  const logits = scope(() => model.forward(model.batch(rows)).logits!);
  return Promise.all([logits, ...gradients].map((tensor) => tensor.read() as Promise<Float32Array>));
}

test.each([
  ...Object.entries(configs).map(([name, config]) => [name, config, several] as const),
  ['mamba of few channels', { ...configs.mamba, hidden_size: 2, num_hidden_layers: 1 }, long] as const,
])('%s: 1, 2 and 4 threads agree, and each gives the same bits twice', async (_, config, rows) => {
  const found: Float32Array[][] = [];
  for (const threads of [1, 2, 4]) {
    const model = createModel(config, { seed: 5, device: Device.open('cpu', { threads }) });
    expect(model.device.threads).toBe(threads);
    const [once, again] = [await figuresOf(model, rows), await figuresOf(model, rows)];
    once.forEach((numbers, i) => expect(Buffer.from(again[i]!.buffer).equals(Buffer.from(numbers.buffer))).toBe(true));
    found.push(once);
  }
  for (const other of found.slice(1)) other.forEach((numbers, i) => expectClose(numbers, found[0]![i]!));
});
