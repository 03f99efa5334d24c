import { negExp, reshape, scope, silu, Tensor } from '@hidden-attention/tensor';
import { backboneSites, forwardBackbone, layerParameter, sitesOfLayer, type Backbone } from '../backbone.js';
import type { BlockParts, Dynamics, ModelFamily } from '../family.js';
import type { Model } from '../model.js';
import type { ModelState } from '../state.js';
import { mambaBlock } from './block.js';
import { parseFalconMambaConfig, parseMambaConfig, type MambaConfig } from './config.js';
import { mambaParameters } from './parameters.js';

const layerSites = ['input', 'norm', 'x', 'z', 'conv', 'u', 'delta', 'B', 'C', 'scan', 'gated', 'mixer', 'output', 'state', 'convState'];

function initialState(model: Model<MambaConfig>, rows: number): ModelState {
  const { innerSize: d, stateSize: n, convKernel: k, layers } = model.config;
  const zeros = (shape: number[]): Tensor => Tensor.full(shape, 0, model.device);
  return { layers: Array.from({ length: layers }, () => ({ scan: zeros([rows, d, n]), conv: zeros([rows, d, k - 1]) })) };
}

function dynamics(model: Model<MambaConfig>, captured: Record<string, Tensor>, layer: number): Dynamics {
  const site = (name: string): Tensor => captured[`layers.${layer}.${name}`]!;
  const grouped = (tensor: Tensor): Tensor => reshape(tensor, [...tensor.shape.slice(0, 2), 1, tensor.shape[2]!]);
  return {
    delta: site('delta').view(),
    A: negExp(model.parameter(`backbone.layers.${layer}.mixer.A_log`)),
    B: grouped(site('B')),
    C: grouped(site('C')),
  };
}

function blockParts(model: Model<MambaConfig>, captured: Record<string, Tensor>, layer: number): BlockParts {
  const site = (name: string): Tensor => captured[`layers.${layer}.${name}`]!.view();
  const { innerSize: d, convKernel: k } = model.config;
  return {
    ...dynamics(model, captured, layer),
    D: model.parameter(`backbone.layers.${layer}.mixer.D`).view(),
    x: site('x'),
    conv: site('conv'),
    u: site('u'),
    gate: scope(() => silu(site('z'))),
    gated: site('gated'),
    convWeight: model.parameter(`backbone.layers.${layer}.mixer.conv1d.weight`).view([d, k]),
    convBias: layerParameter(model, layer, 'mixer.conv1d.bias')?.view(),
  };
}

const backbone: Backbone<MambaConfig> = { layerSites, block: mambaBlock, initialState };

/** Mamba-1 (Gu and Dao 2023), `model_type: "mamba"`: MambaForCausalLM and MambaForSequenceClassification. */
export const mamba: ModelFamily<MambaConfig> = {
  name: 'mamba',
  title: 'Mamba (Gu and Dao 2023)',
  parseConfig: parseMambaConfig,
  parameters: mambaParameters,
  sites: (config) => backboneSites(config, layerSites),
  forward: (model, batch, options) => forwardBackbone(backbone, model, batch, options),
  initialState,
  dynamicsSites: (layer) => sitesOfLayer(layer, ['delta', 'B', 'C']),
  blockSites: (layer) => sitesOfLayer(layer, ['delta', 'B', 'C', 'x', 'conv', 'u', 'z', 'gated']),
  dynamics,
  blockParts,
};

/** Falcon-Mamba (Zuo et al. 2024), `model_type: "falcon_mamba"`: Mamba-1 with weightless norms on Δr, B and C. */
export const falconMamba: ModelFamily<MambaConfig> = {
  ...mamba,
  name: 'falcon_mamba',
  title: 'Falcon-Mamba (Zuo et al. 2024)',
  parseConfig: parseFalconMambaConfig,
};
