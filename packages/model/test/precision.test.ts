import { gradient, openDevice, scope, sum, Tensor, type Float } from '@hidden-attention/tensor';
import { describe, expect, test } from 'vitest';
import { distance } from '../../../test/numbers.js';
import { createModel, inPrecision, Model, withExactActivations } from '../src/index.js';
import { expectClose, tiny, tinyModel } from './fixtures/models.js';

const model = tinyModel();
const rows = [
  [1, 2, 3, 4, 5, 6, 7],
  [8, 9, 10],
];

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

/** The model in f32 whose numbers are those that the weights in int8 hold. */
async function ofTheSameNumbers({ family, config, json, parameters, device }: Model): Promise<Model> {
  const read = [...parameters].map(async ([name, tensor]) => [name, Tensor.from(await tensor.read(), tensor.shape)] as const);
  return new Model(family, config, json, new Map(await Promise.all(read)), device);
}

const shared = { vocab_size: 40, hidden_size: 32, num_hidden_layers: 2, initializer_range: 0.2 };
const families: Record<string, unknown>[] = [
  { ...shared, model_type: 'mamba', time_step_rank: 3, state_size: 5 },
  { ...shared, model_type: 'mamba', tie_word_embeddings: false, use_bias: true, intermediate_size: 96, time_step_rank: 32 },
  { ...shared, model_type: 'falcon_mamba', state_size: 5 },
  { ...shared, model_type: 'mamba2', num_heads: 4, head_dim: 16, expand: 2, n_groups: 2, state_size: 8 },
  { model_type: 'gpt2', vocab_size: 40, n_embd: 32, n_layer: 2, n_head: 4, n_positions: 40 },
  { ...shared, model_type: 'gpt_neox', num_attention_heads: 4, intermediate_size: 64, rotary_pct: 0.5 },
  {
    ...{ ...shared, model_type: 'jamba', num_attention_heads: 4, num_key_value_heads: 2, intermediate_size: 64 },
    ...{ attn_layer_period: 2, attn_layer_offset: 1, mamba_d_state: 5, mamba_dt_rank: 3 },
  },
  { ...shared, model_type: 'mamba', architectures: ['MambaForSequenceClassification'], id2label: { 0: 'ham', 1: 'spam' } },
];

describe('in int8', () => {
  test.each(families)('%o: computes with the numbers that its weights hold', async (json) => {
    const original = createModel(json, { seed: 2 });
    const quantized = inPrecision(original, 'int8');
    const held = [...quantized.parameters.values()].filter(({ dtype }) => dtype === 'i8');
    expect(held.length).toBeGreaterThan(0);
    expect(quantized.parameterCount).toBe(original.parameterCount);
    const inGroups = held.reduce((sum, { size }) => sum + size, 0);
    expect(original.parameterBytes).toBe(4 * original.parameterCount);
    expect(quantized.parameterBytes).toBe(4 * (original.parameterCount - inGroups) + 1.125 * inGroups);
    const same = await ofTheSameNumbers(quantized);
    const run = (m: Model): ReturnType<Model['forward']> => m.forward(m.batch(rows), { capture: ['*', '*.*.*'] });
    const [got, want] = [run(quantized), run(same)];
    for (const [name, tensor] of Object.entries(want.captured)) {
      expect(got.captured[name]!.dtype, name).toBe('f32');
      expectClose(await got.captured[name]!.read(), await tensor.read());
    }
    const step = async (m: Model, { state }: ReturnType<Model['forward']>): Promise<Float32Array> =>
      m.forward(m.batch([[7], [8]]), { state }).logits!.read();
    expectClose(await step(quantized, got), await step(same, want));
    expect(distance(await got.logits!.read(), await run(original).logits!.read())).toBeLessThan(0.05);
  });

  test('only weights of linear layers and tables whose rows are whole groups are', () => {
    const quantized = inPrecision(createModel(families[0]!, { seed: 2 }), 'int8');
    const types = Object.fromEntries([...quantized.parameters].map(([name, { dtype }]) => [name, dtype]));
    const layer = Object.entries(types).filter(([name]) => name.startsWith('backbone.layers.1.'));
    expect(types['backbone.embeddings.weight']).toBe('i8');
    expect(types['backbone.norm_f.weight']).toBe('f32');
    expect(
      layer
        .filter(([, dtype]) => dtype === 'i8')
        .map(([name]) => name.slice(24))
        .sort(),
    ).toEqual(
      ['in_proj.weight', 'out_proj.weight', 'x_proj.weight'], // dt_proj has rows of 3
    );
    expect([...inPrecision(model, 'int8').parameters.values()].every(({ dtype }) => dtype === 'f32')).toBe(true);
    expect(inPrecision(quantized, 'int8').parameter('backbone.embeddings.weight')).toBe(quantized.parameter('backbone.embeddings.weight'));
  });

  test('back in f32 it has the numbers that it computed with', async () => {
    const quantized = inPrecision(createModel(families[1]!, { seed: 4 }), 'int8');
    const wide = inPrecision(quantized, 'f32');
    for (const [name, tensor] of wide.parameters) {
      expect(tensor.dtype).toBe('f32');
      expect(await tensor.read()).toEqual(await quantized.parameter(name).read());
    }
  });

  test('gradients pass to what it computes, and not to its weights', async () => {
    const quantized = inPrecision(createModel(families[0]!, { seed: 2 }), 'int8');
    const same = await ofTheSameNumbers(quantized);
    const embeddings = Tensor.from(
      Float32Array.from({ length: 5 * 32 }, (_, i) => Math.sin(i)),
      [1, 5, 32],
    );
    const run = (m: Model, inputs: Tensor[]): Tensor[] => {
      const body = (): Tensor => sum(m.forward(m.batch([[1, 2, 3, 4, 5]]), { embeddings, spelledOut: true }).logits!);
      return gradient(body, inputs).gradients;
    };
    expectClose(await run(quantized, [embeddings])[0]!.read(), await run(same, [embeddings])[0]!.read());
    const weight = quantized.parameter('backbone.layers.0.mixer.in_proj.weight');
    expect(() => run(quantized, [weight])).toThrow('gradient: a tensor (128, 32), weight of linear, is in int8 and has none');
  });
});

describe('in w8a8', () => {
  const embeddings = Tensor.from(
    Float32Array.from({ length: 5 * 32 }, (_, i) => Math.sin(i)),
    [1, 5, 32],
  );

  test.each(families)('%o: rounds what its linear layers read, and nothing else', async (json) => {
    const original = createModel(json, { seed: 2 });
    const [int8, w8a8] = [inPrecision(original, 'int8'), inPrecision(original, 'w8a8')];
    expect([...w8a8.parameters.values()].map(({ dtype }) => dtype)).toEqual([...int8.parameters.values()].map(({ dtype }) => dtype));
    for (const { dtype, roundsActivations } of w8a8.parameters.values()) expect(roundsActivations).toBe(dtype === 'i8');
    expect(w8a8.parameterBytes).toBe(int8.parameterBytes);
    const logitsOf = (m: Model): Promise<Float32Array> => m.forward(m.batch(rows)).logits!.read();
    const [got, near] = [await logitsOf(w8a8), await logitsOf(int8)];
    // a rounding moves no number by more than 1/254 of its group's largest; five on the way through each layer at most, and the head's
    const within = (5 * 2 + 1) / 254;
    expect(distance(got, near)).toBeGreaterThan(1e-4);
    expect(distance(got, near)).toBeLessThan(within);
    for (const same of [withExactActivations(w8a8), inPrecision(w8a8, 'int8')]) expect(await logitsOf(same)).toEqual(near);
    expect(await logitsOf(inPrecision(int8, 'w8a8'))).toEqual(got);
    expect(withExactActivations(int8)).toBe(int8);
  });

  test.each(families.slice(0, -1))('%o: reading on from a state is reading the whole text', async (json) => {
    const model = inPrecision(createModel(json, { seed: 2 }), 'w8a8');
    const text = Array.from({ length: 24 }, (_, i) => (i * 17 + 3) % 40);
    const [whole, exact] = await Promise.all([model, withExactActivations(model)].map((m) => m.forward(m.batch([text])).logits!.read()));
    const apart: number[] = [];
    let { state, logits } = model.forward(model.batch([text.slice(0, 5)]), { logits: 'last' });
    for (let at = 5; at <= text.length; at++) {
      const own = [await logits!.read(), whole!, exact!].map((all, i) => (i === 0 ? all : all.subarray(40 * (at - 1), 40 * at)));
      apart.push(distance(own[0]!, own[1]!));
      // what lies within an f32 error of the middle between two steps may be rounded up here and down there, which is one rounding's
      // size: such places are few, so that both ways are nearer to each other than to what is not rounded
      expect(apart.at(-1)!).toBeLessThan(Math.max(distance(own[1]!, own[2]!), 1e-4));
      if (at < text.length) ({ state, logits } = model.forward(model.batch([[text[at]!]]), { state, logits: 'last' }));
    }
    expect(apart.sort((a, b) => a - b)[apart.length >> 1]).toBeLessThan(1e-4);
  });

  test('gradients are those in int8', async () => {
    const original = createModel(families[0]!, { seed: 2 });
    const run = (m: Model): { value: Tensor; gradients: Tensor[] } =>
      gradient(() => sum(m.forward(m.batch([[1, 2, 3, 4, 5]]), { embeddings }).logits!), [embeddings]);
    const [got, want] = [run(inPrecision(original, 'w8a8')), run(inPrecision(original, 'int8'))];
    expect(await got.value.read()).toEqual(await want.value.read());
    expect(await got.gradients[0]!.read()).toEqual(await want.gradients[0]!.read());
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
