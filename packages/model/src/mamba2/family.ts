import { affine, divide, exp, log, multiply, negExp, reshape, scope, silu, slice, square, sumLast, Tensor } from '@hidden-attention/tensor';
import {
  backboneSites,
  forwardBackbone,
  layerParameter,
  mambaFinalNorm,
  sitesOfLayer,
  type Backbone,
  type BlockContext,
} from '../backbone.js';
import type { BlockParts, ModelFamily, ScanDynamics } from '../family.js';
import type { Model } from '../model.js';
import type { ModelState } from '../state.js';
import { mamba2Block } from './block.js';
import { parseMamba2Config, type Mamba2Config } from './config.js';
import { perChannel, perState } from './heads.js';
import { mamba2Parameters } from './parameters.js';

const layerSites = ['input', 'norm', 'x', 'z', 'conv', 'u', 'delta', 'B', 'C', 'scan', 'gated', 'mixer', 'output', 'state', 'convState'];

function initialState(model: Model<Mamba2Config>, rows: number): ModelState {
  const { innerSize: d, groups, stateSize: n, convKernel: k, layers } = model.config;
  const zeros = (shape: number[]): Tensor => Tensor.full(shape, 0, model.device);
  return {
    layers: Array.from({ length: layers }, () => ({ scan: zeros([rows, d, n]), conv: zeros([rows, d + 2 * groups * n, k - 1]) })),
  };
}

const backbone: Backbone<Mamba2Config> = {
  layerSites: () => layerSites,
  block: (h, context) => mamba2Block(h, context as BlockContext<Mamba2Config>),
  finalNorm: mambaFinalNorm,
  initialState,
};

/** One matrix a head: Δ (b l heads), A (heads n), the same for all n. */
function dynamics(model: Model<Mamba2Config>, captured: Record<string, Tensor>, layer: number): ScanDynamics {
  const site = (name: string): Tensor => captured[`layers.${layer}.${name}`]!.view();
  const A = scope(() => perState(negExp(model.parameter(`backbone.layers.${layer}.mixer.A_log`)), model.config.stateSize));
  return { delta: site('delta'), A, B: site('B'), C: site('C') };
}

/** The same a channel, for what is around the scan. */
function blockParts(model: Model<Mamba2Config>, captured: Record<string, Tensor>, layer: number): BlockParts {
  const { innerSize: d, headSize, stateSize: n, convKernel: k } = model.config;
  const site = (name: string): Tensor => captured[`layers.${layer}.${name}`]!.view();
  const parameter = (name: string): Tensor => model.parameter(`backbone.layers.${layer}.mixer.${name}`);
  const taps = parameter('conv1d.weight');
  const convBias = layerParameter(model, layer, 'mixer.conv1d.bias');
  return {
    delta: scope(() => perChannel(site('delta'), headSize)),
    A: scope(() => perState(perChannel(negExp(parameter('A_log')), headSize), n)),
    B: site('B'),
    C: site('C'),
    D: scope(() => perChannel(parameter('D'), headSize)),
    x: site('x'),
    conv: site('conv'),
    u: site('u'),
    gate: scope(() => gateOf(model, site('scan'), site('z'), parameter('norm.weight'))),
    gated: site('gated'),
    convWeight: scope(() => slice(taps.view([taps.shape[0]!, k]), 0, 0, d)),
    convBias: convBias && scope(() => slice(convBias, 0, 0, d)),
    outWeight: parameter('out_proj.weight').view(),
  };
}

/** SiLU(z)·weight/rms, rms that of the gated scan over each group of the norm: what the norm makes of the scan, its scale held. */
function gateOf({ config }: Model<Mamba2Config>, scan: Tensor, z: Tensor, weight: Tensor): Tensor {
  const { innerSize: d, normGroups, epsilon } = config;
  const width = d / normGroups;
  const open = silu(z);
  const groups = [scan.size / width, width];
  const meanSquare = affine(sumLast(reshape(square(multiply(scan, open)), groups)), 1 / width, epsilon);
  const rms = exp(affine(log(meanSquare), 0.5)); //                                                 one number a group
  return multiply(reshape(divide(reshape(open, groups), reshape(rms, [groups[0]!, 1])), z.shape), weight);
}

/** Mamba-2 (Dao and Gu 2024), `model_type: "mamba2"`. */
export const mamba2: ModelFamily<Mamba2Config> = {
  name: 'mamba2',
  title: 'Mamba-2 (Dao and Gu 2024)',
  parseConfig: parseMamba2Config,
  parameters: mamba2Parameters,
  sites: (config) => backboneSites(backbone, config),
  forward: (model, batch, options) => forwardBackbone(backbone, model, batch, options),
  initialState,
  dynamicsSites: (layer) => sitesOfLayer(layer, ['delta', 'B', 'C']),
  blockSites: (layer) => sitesOfLayer(layer, ['delta', 'B', 'C', 'x', 'conv', 'u', 'z', 'scan', 'gated']),
  dynamics,
  blockParts,
};
