import { ModelError, type ModelConfig, type ParameterSpec } from '@hidden-attention/model';

export interface HawkConfig extends ModelConfig {
  innerSize: number;
  hiddenInner: number;
  convKernel: number;
  epsilon: number;
}

/** Reads a config.json. */
export function parseHawkConfig(json: unknown): HawkConfig {
  const fields = json as Record<string, unknown>;
  const size = (name: string, otherwise?: number): number => {
    const value = fields[name] ?? otherwise;
    if (!Number.isInteger(value) || (value as number) < 1)
      throw new ModelError(`hawk: ${name} is ${String(value)}; a whole number of at least 1 is needed`);
    return value as number;
  };
  const hiddenSize = size('hidden_size');
  return {
    family: 'hawk',
    vocabSize: size('vocab_size'),
    hiddenSize,
    layers: size('num_hidden_layers'),
    innerSize: size('lru_width', hiddenSize),
    hiddenInner: size('intermediate_size', 3 * hiddenSize),
    convKernel: size('conv1d_width', 4),
    epsilon: 1e-6,
    head: { kind: 'language-model', tied: true },
    endOfSequence: [],
  };
}

/** All parameters: normal numbers, biases of 0, decays a^8 between 0.9 and 0.999. */
export function hawkParameters(config: HawkConfig): Record<string, ParameterSpec> {
  const { vocabSize, hiddenSize: m, innerSize: d, hiddenInner: f, convKernel: k, layers } = config;
  const normal = (data: Float32Array, random: () => number, deviation: number): void => {
    for (let i = 0; i < data.length; i++) data[i] = deviation * Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  };
  const matrix = (rows: number, columns: number): ParameterSpec => ({
    shape: [rows, columns],
    decay: true,
    linear: true,
    initialize: (data, random) => normal(data, random, 1 / Math.sqrt(columns)),
  });
  const filled = (size: number, value: number): ParameterSpec => ({
    shape: [size],
    decay: false,
    initialize: (data) => void data.fill(value),
  });
  const decay: ParameterSpec = {
    shape: [d],
    decay: false,
    exact: true,
    initialize(data, random) {
      for (let i = 0; i < data.length; i++) data[i] = Math.log(Math.expm1(-Math.log(0.9 + 0.099 * random()) / 8));
    },
  };
  const all: Record<string, ParameterSpec> = { 'model.embed_tokens.weight': matrix(vocabSize, m) };
  for (let layer = 0; layer < layers; layer++) {
    const prefix = `model.layers.${layer}.`;
    const block: Record<string, ParameterSpec> = {
      'temporal_norm.weight': filled(m, 1),
      'channel_norm.weight': filled(m, 1),
      recurrent_param: decay,
    };
    block['conv_1d.weight'] = { ...matrix(d, k), shape: [d, 1, k], linear: false };
    block['conv_1d.bias'] = filled(d, 0);
    const linears = {
      linear_x: [d, m],
      linear_y: [d, m],
      linear_out: [m, d],
      recurrence_gate: [d, d],
      input_gate: [d, d],
      up_proj: [f, m],
      gate_proj: [f, m],
      down_proj: [m, f],
    } as const;
    for (const [name, [rows, columns]] of Object.entries(linears)) {
      block[`${name}.weight`] = matrix(rows, columns);
      block[`${name}.bias`] = filled(rows, 0);
    }
    for (const [name, spec] of Object.entries(block)) all[prefix + name] = spec;
  }
  return { ...all, 'model.final_norm.weight': filled(m, 1) };
}
