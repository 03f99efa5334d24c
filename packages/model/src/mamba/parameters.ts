import type { ParameterSpec } from '../family.js';
import type { MambaConfig } from './config.js';

type Fill = ParameterSpec['initialize'];

const constant =
  (value: number): Fill =>
  (data) =>
    void data.fill(value);
const uniform =
  (bound: number): Fill =>
  (data, random) => {
    for (let i = 0; i < data.length; i++) data[i] = (2 * random() - 1) * bound;
  };
const normal =
  (deviation: number): Fill =>
  (data, random) => {
    for (let i = 0; i < data.length; i++) data[i] = deviation * Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  };

/**
 * All parameters of a Mamba model, and how the reference implementation draws them: A_log = log(1…N) in every channel (S4D-Real),
 * D = 1, Δ's bias such that softplus(bias) is log-uniform between timeStepMin and timeStepMax, linear layers uniform within
 * 1/√fan-in, out_proj smaller by √layers.
 */
export function mambaParameters(config: MambaConfig): Record<string, ParameterSpec> {
  const { vocabSize, hiddenSize: m, innerSize: d, stateSize: n, timeStepRank: r, convKernel: k, layers, head, initialization } = config;
  const weight = (shape: number[], initialize: Fill): ParameterSpec => ({ shape, initialize, decay: true });
  const free = (shape: number[], initialize: Fill): ParameterSpec => ({ shape, initialize, decay: false });
  const exact = (shape: number[], initialize: Fill): ParameterSpec => ({ shape, initialize, decay: false, exact: true });
  const stepBias: Fill = (data, random) => {
    const { timeStepMin: low, timeStepMax: high, timeStepFloor: floor } = initialization;
    for (let i = 0; i < data.length; i++) {
      const step = Math.max(Math.exp(Math.log(low) + random() * Math.log(high / low)), floor);
      data[i] = step + Math.log(-Math.expm1(-step)); // the inverse of softplus
    }
  };
  const logStates: Fill = (data) => {
    for (let i = 0; i < data.length; i++) data[i] = Math.log((i % n) + 1);
  };
  const residual = initialization.rescaleResidual ? 1 / Math.sqrt(layers) : 1;

  const all: Record<string, ParameterSpec> = { 'backbone.embeddings.weight': weight([vocabSize, m], normal(initialization.range)) };
  for (let layer = 0; layer < layers; layer++) {
    const block: Record<string, ParameterSpec | undefined> = {
      'norm.weight': free([m], constant(1)),
      'mixer.A_log': exact([d, n], logStates),
      'mixer.D': exact([d], constant(1)),
      'mixer.conv1d.weight': weight([d, 1, k], uniform(1 / Math.sqrt(k))),
      'mixer.conv1d.bias': config.useConvBias ? free([d], uniform(1 / Math.sqrt(k))) : undefined,
      'mixer.in_proj.weight': weight([2 * d, m], uniform(1 / Math.sqrt(m))),
      'mixer.in_proj.bias': config.useBias ? free([2 * d], constant(0)) : undefined,
      'mixer.x_proj.weight': weight([r + 2 * n, d], uniform(1 / Math.sqrt(d))),
      'mixer.dt_proj.weight': weight([d, r], uniform(1 / Math.sqrt(r))),
      'mixer.dt_proj.bias': exact([d], stepBias),
      'mixer.out_proj.weight': weight([m, d], uniform(residual / Math.sqrt(d))),
      'mixer.out_proj.bias': config.useBias ? free([m], constant(0)) : undefined,
    };
    for (const [name, spec] of Object.entries(block)) if (spec) all[`backbone.layers.${layer}.${name}`] = spec;
  }
  all['backbone.norm_f.weight'] = free([m], constant(1));
  if (head.kind === 'classifier') all['score.weight'] = weight([head.classes, m], normal(initialization.range));
  else if (!head.tied) all['lm_head.weight'] = weight([vocabSize, m], normal(initialization.range));
  return all;
}
