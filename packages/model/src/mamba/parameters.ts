import type { ParameterSpec } from '../family.js';
import { backboneParameters, constant, exact, free, linearWeight, stepBias, uniform, weight, type Fill } from '../initialize.js';
import type { MambaConfig, MambaSizes } from './config.js';

/** All parameters of a Mamba model. */
export function mambaParameters(config: MambaConfig): Record<string, ParameterSpec> {
  return backboneParameters(config, config.initialization.range, mixerParameters(config));
}

/**
 * Those of one block, and how the reference implementation draws them: A_log = log(1…N) in every channel (S4D-Real),
 * D = 1, Δ's bias such that softplus(bias) is log-uniform between timeStepMin and timeStepMax, linear layers uniform within
 * 1/√fan-in, out_proj smaller by √layers.
 */
export function mixerParameters(config: MambaSizes): Record<string, ParameterSpec | undefined> {
  const { hiddenSize: m, innerSize: d, stateSize: n, timeStepRank: r, convKernel: k, layers, initialization } = config;
  const logStates: Fill = (data) => {
    for (let i = 0; i < data.length; i++) data[i] = Math.log((i % n) + 1);
  };
  const residual = initialization.rescaleResidual ? 1 / Math.sqrt(layers) : 1;

  return {
    'norm.weight': free([m], constant(1)),
    'mixer.A_log': exact([d, n], logStates),
    'mixer.D': exact([d], constant(1)),
    'mixer.conv1d.weight': weight([d, 1, k], uniform(1 / Math.sqrt(k))),
    'mixer.conv1d.bias': config.useConvBias ? free([d], uniform(1 / Math.sqrt(k))) : undefined,
    'mixer.in_proj.weight': linearWeight([2 * d, m], uniform(1 / Math.sqrt(m))),
    'mixer.in_proj.bias': config.useBias ? free([2 * d], constant(0)) : undefined,
    'mixer.x_proj.weight': linearWeight([r + 2 * n, d], uniform(1 / Math.sqrt(d))),
    'mixer.dt_proj.weight': linearWeight([d, r], uniform(1 / Math.sqrt(r))),
    'mixer.dt_proj.bias': exact([d], stepBias(initialization)),
    'mixer.out_proj.weight': linearWeight([m, d], uniform(residual / Math.sqrt(d))),
    'mixer.out_proj.bias': config.useBias ? free([m], constant(0)) : undefined,
  };
}
