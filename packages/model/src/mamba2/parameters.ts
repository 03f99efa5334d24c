import type { ParameterSpec } from '../family.js';
import { backboneParameters, constant, exact, free, linearWeight, stepBias, uniform, weight, type Fill } from '../initialize.js';
import type { Mamba2Config, Mamba2Sizes } from './config.js';

/** All parameters of a Mamba-2 model. */
export function mamba2Parameters(config: Mamba2Config): Record<string, ParameterSpec> {
  return backboneParameters(config, config.initialization.range, mamba2MixerParameters(config));
}

/** Those of one block, and how they are drawn: A = −1…−heads, D = 1, Δ's bias as in Mamba-1, linear layers uniform within 1/√fan-in. */
export function mamba2MixerParameters(config: Mamba2Sizes): Record<string, ParameterSpec | undefined> {
  const { hiddenSize: m, innerSize: d, heads, groups, stateSize: n, convKernel: k, layers, initialization } = config;
  const logHeads: Fill = (data) => {
    for (let h = 0; h < data.length; h++) data[h] = Math.log(h + 1);
  };
  const convolved = d + 2 * groups * n;
  const projected = d + convolved + heads;
  const residual = initialization.rescaleResidual ? 1 / Math.sqrt(layers) : 1;
  return {
    'norm.weight': free([m], constant(1)),
    'mixer.A_log': exact([heads], logHeads),
    'mixer.D': exact([heads], constant(1)),
    'mixer.dt_bias': exact([heads], stepBias(initialization)),
    'mixer.conv1d.weight': weight([convolved, 1, k], uniform(1 / Math.sqrt(k))),
    'mixer.conv1d.bias': config.useConvBias ? free([convolved], uniform(1 / Math.sqrt(k))) : undefined,
    'mixer.in_proj.weight': linearWeight([projected, m], uniform(1 / Math.sqrt(m))),
    'mixer.in_proj.bias': config.useBias ? free([projected], constant(0)) : undefined,
    'mixer.norm.weight': free([d], constant(1)),
    'mixer.out_proj.weight': linearWeight([m, d], uniform(residual / Math.sqrt(d))),
    'mixer.out_proj.bias': config.useBias ? free([m], constant(0)) : undefined,
  };
}
