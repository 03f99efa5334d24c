import { gradient, openDevice, scope, sum, Tensor, type Float } from '@hidden-attention/tensor';
import { describe, expect, test } from 'vitest';
import { createModel, inPrecision, type Model } from '../src/index.js';
import { tiny, tinyModel } from './fixtures/models.js';

const model = tinyModel();
const rows = [
  [1, 2, 3, 4, 5, 6, 7],
  [8, 9, 10],
];

/** ‖a − b‖ / ‖b‖ */
function distance(a: Float32Array, b: Float32Array): number {
  const norm = (numbers: Float32Array): number => Math.hypot(...numbers);
  return norm(a.map((number, i) => number - b[i]!)) / norm(b);
}

describe.each<[Exclude<Float, 'f32'>, number]>([
  // some thirty roundings of half a unit in the last place on the way, and as many back
  ['bf16', 30 * 2 ** -8],
  ['f16', 30 * 2 ** -11],
])('in %s', (dtype, within) => {
  const narrow = inPrecision(model, dtype);

  test('weights and activations are narrow; logits, states, the residual stream and what decides the decay are not', () => {
    const { captured, logits, state } = narrow.forward(narrow.batch(rows), { capture: ['*', '*.*.*'] });
    expect(narrow.parameter('backbone.layers.0.mixer.in_proj.weight').dtype).toBe(dtype);
    for (const name of ['A_log', 'D', 'dt_proj.bias']) expect(narrow.parameter(`backbone.layers.0.mixer.${name}`).dtype).toBe('f32');
    for (const name of ['norm', 'x', 'z', 'u', 'B', 'C', 'gated', 'mixer']) expect(captured[`layers.1.${name}`]!.dtype).toBe(dtype);
    for (const name of ['input', 'output', 'state']) expect(captured[`layers.1.${name}`]!.dtype).toBe('f32');
    for (const tensor of [logits!, ...state.layers.flatMap(({ scan, conv }) => [scan, conv])]) expect(tensor.dtype).toBe('f32');
  });

  test('logits and gradients are those of f32 within the type', async () => {
    const parameters = [...model.parameters.values()];
    const run = (of: (model: Model) => Model): { value: Tensor; gradients: Tensor[] } =>
      gradient(() => {
        const working = of(model);
        const { logits } = working.forward(working.batch(rows), { logits: 'last' });
        return sum(logits!);
      }, parameters);
    const [exact, rounded] = [run((same) => same), run((same) => inPrecision(same, dtype))];
    const last = (m: Model): Promise<Float32Array> => m.forward(m.batch(rows), { logits: 'last' }).logits!.read();
    expect(distance(await last(narrow), await last(model))).toBeLessThan(within);
    for (const [i, tensor] of rounded.gradients.entries()) {
      expect(tensor.dtype).toBe('f32');
      expect(distance(await tensor.read(), await exact.gradients[i]!.read())).toBeLessThan(within);
    }
  });
});

describe('recompute', () => {
  const run = (m: Model, ids: number[][], recompute: boolean): { value: Tensor; gradients: Tensor[] } =>
    gradient(() => sum(m.forward(m.batch(ids), { recompute }).logits!), [...m.parameters.values()]);

  test('gives the same bits', async () => {
    const [plain, again] = [run(model, rows, false), run(model, rows, true)];
    for (const [i, tensor] of again.gradients.entries()) expect(await tensor.read()).toEqual(await plain.gradients[i]!.read());
  });

  test('holds less', async () => {
    const deep = createModel({ ...tiny, num_hidden_layers: 8, hidden_size: 32 }, { seed: 1 });
    const ids = [Array.from({ length: 512 }, (_, i) => i % 19)];
    const peak = async (recompute: boolean): Promise<number> => {
      await openDevice().finish();
      const { live } = openDevice().memory({ resetPeak: true });
      scope(() => void run(deep, ids, recompute));
      return openDevice().memory().peak - live;
    };
    const [all, few] = [await peak(false), await peak(true)];
    expect(few).toBeLessThan(0.4 * all);
  });

  test('a layer that somebody looks into is kept', async () => {
    const { captured } = model.forward(model.batch(rows), { recompute: true, capture: ['layers.1.delta'] });
    expect((await captured['layers.1.delta']!.read()).some((step) => step > 0)).toBe(true);
  });
});
