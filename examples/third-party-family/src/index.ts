// Hawk as a model family of hidden-attention: importing this registers it, `model_type: "hawk"`.
import {
  backboneSites,
  forwardBackbone,
  registerFamily,
  type Backbone,
  type BlockContext,
  type BlockParts,
  type Model,
  type ModelFamily,
  type ScanDynamics,
} from '@hidden-attention/model';
import { gelu, rmsNorm, scope, Tensor } from '@hidden-attention/tensor';
import { hawkBlock } from './block.js';
import { hawkParameters, parseHawkConfig, type HawkConfig } from './config.js';

const names = { embeddings: 'model.embed_tokens.weight', layer: (layer: number) => `model.layers.${layer}.`, head: 'lm_head.weight' };
const sites = [
  'input',
  'norm',
  'x',
  'z',
  'conv',
  'u',
  'delta',
  'B',
  'C',
  'scan',
  'gated',
  'mixer',
  'middle',
  'feedForward',
  'output',
  'state',
];
const of = (layer: number, own: readonly string[]): string[] => own.map((name) => `layers.${layer}.${name}`);

const backbone: Backbone<HawkConfig> = {
  names,
  layerSites: () => sites,
  block: (h, context) => hawkBlock(h, context as BlockContext<HawkConfig>),
  finalNorm: (h, model) => rmsNorm({ x: h, weight: model.parameter('model.final_norm.weight') }, { epsilon: model.config.epsilon }).y,
  initialState: ({ config: { innerSize: d, convKernel: k, layers }, device }, rows) => ({
    layers: Array.from({ length: layers }, () => ({
      scan: Tensor.full([rows, d, 1], 0, device),
      conv: Tensor.full([rows, d, k - 1], 0, device),
    })),
  }),
};

function dynamics({ config, device }: Model<HawkConfig>, captured: Record<string, Tensor>, layer: number): ScanDynamics {
  const site = (name: string): Tensor => captured[`layers.${layer}.${name}`]!.view();
  return { delta: site('delta'), A: Tensor.full([config.innerSize, 1], -1, device), B: site('B'), C: site('C') };
}

function blockParts(model: Model<HawkConfig>, captured: Record<string, Tensor>, layer: number): BlockParts {
  const { innerSize: d, convKernel: k } = model.config;
  const site = (name: string): Tensor => captured[`layers.${layer}.${name}`]!.view();
  const parameter = (name: string): Tensor => model.parameter(names.layer(layer) + name);
  return {
    ...dynamics(model, captured, layer),
    D: Tensor.full([d], 0, model.device),
    x: site('x'),
    conv: site('conv'),
    u: site('u'),
    ratio: Tensor.full(site('u').shape, 1, model.device), // no activation behind the convolution
    gate: scope(() => gelu(site('z'))),
    gated: site('gated'),
    convWeight: parameter('conv_1d.weight').view([d, k]),
    convBias: parameter('conv_1d.bias').view(),
    outWeight: parameter('linear_out.weight').view(),
  };
}

/** Hawk (De et al. 2024): recurrent blocks with the RG-LRU, without attention. */
export const hawk: ModelFamily<HawkConfig> = {
  name: 'hawk',
  title: 'Hawk (De et al. 2024)',
  parseConfig: parseHawkConfig,
  parameters: hawkParameters,
  sites: (config) => backboneSites(backbone, config),
  forward: (model, batch, options) => forwardBackbone(backbone, model, batch, options),
  initialState: backbone.initialState,
  dynamicsSites: (layer) => of(layer, ['delta', 'B', 'C']),
  blockSites: (layer) => of(layer, ['delta', 'B', 'C', 'x', 'conv', 'u', 'z', 'gated']),
  dynamics,
  blockParts,
};

registerFamily(hawk);
