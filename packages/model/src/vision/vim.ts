import { negExp, reshape, reverse, scope, silu, type Tensor } from '@hidden-attention/tensor';
import { backboneSites, forwardBackbone, sitesOfLayer, type Backbone, type BlockContext } from '../backbone.js';
import type { BlockParts, LayerKind, ModelFamily, ParameterSpec, ScanDynamics } from '../family.js';
import { mambaBlock } from '../mamba/block.js';
import { mambaDynamics, mambaParts, mambaSites, mambaState, mixerSites, scanSites } from '../mamba/dynamics.js';
import { mixerParameters } from '../mamba/parameters.js';
import type { Model } from '../model.js';
import { aroundScans, ofLayer, withBlocks } from './around.js';
import { parseVimConfig, type VimConfig } from './config.js';
import { imageBatch } from './patches.js';
import { directions, nameIn, vimBlock, type Direction } from './vim-block.js';

function parametersOf(config: VimConfig): Record<string, ParameterSpec> {
  const one = Object.entries(mixerParameters(config));
  const twins = (config.causal ? [] : one).filter(([name]) => /mixer\.(conv1d|x_proj|dt_proj|A_log|D\b)/.test(name));
  return withBlocks(config, [...one, ...twins.map(([name, spec]) => [nameIn('backward', name), spec] as const)]);
}

const visionScanSites = ['conv', 'u', 'delta', 'B', 'C', 'scan'];
const inBoth = (sites: readonly string[]): string[] => directions.flatMap((direction) => sites.map((name) => `${direction}.${name}`));

const twoWay: Backbone<VimConfig> = {
  ...aroundScans,
  layerSites: () => ['input', 'norm', 'x', 'z', ...inBoth(visionScanSites), 'gated', 'mixer', 'output'],
  block: vimBlock,
  initialState: (model) => ({ layers: Array.from({ length: model.config.layers }, () => ({})) }),
};

/** Blocks of Mamba itself, between the patches and the head of Vision Mamba. */
const causal: Backbone<VimConfig> = {
  ...aroundScans,
  layerSites: () => ['input', ...mambaSites, 'output', 'state', 'convState'],
  block: (h, context) => mambaBlock(h, context as BlockContext<VimConfig>),
  initialState: (model, rows) => ({ layers: Array.from({ length: model.config.layers }, () => mambaState(model, rows)) }),
};

const backboneOf = (config: VimConfig): Backbone<VimConfig> => (config.causal ? causal : twoWay);

/** What of a direction's captured values, in that direction's own order. */
function reader(captured: Record<string, Tensor>, layer: number, direction: Direction): (name: string) => Tensor {
  return (name) => {
    const shared = name === 'x' || name === 'z';
    const value = captured[`layers.${layer}.${shared ? '' : `${direction}.`}${name}`]!;
    return direction === 'backward' ? reverse(value, 1) : value.view();
  };
}

function dynamicsIn(direction: Direction, model: Model<VimConfig>, captured: Record<string, Tensor>, layer: number): ScanDynamics {
  const site = reader(captured, layer, direction);
  const grouped = (tensor: Tensor): Tensor => reshape(tensor, [...tensor.shape.slice(0, 2), 1, tensor.shape[2]!]);
  const A = negExp(ofLayer(model, layer)(nameIn(direction, 'mixer.A_log'))!);
  return { delta: site('delta'), A, B: scope(() => grouped(site('B'))), C: scope(() => grouped(site('C'))) };
}

function partsIn(direction: Direction, model: Model<VimConfig>, captured: Record<string, Tensor>, layer: number): BlockParts {
  const { innerSize: d, convKernel: k, halved } = model.config;
  const site = reader(captured, layer, direction);
  const find = (name: string): Tensor | undefined => ofLayer(model, layer)(nameIn(direction, `mixer.${name}`));
  const gated = captured[`layers.${layer}.gated`]!;
  return {
    ...dynamicsIn(direction, model, captured, layer),
    D: find('D')!.view(),
    x: site('x'),
    conv: site('conv'),
    u: site('u'),
    gate: scope(() => silu(site('z'))),
    share: halved ? 0.5 : 1,
    gated: direction === 'backward' ? reverse(gated, 1) : gated.view(),
    convWeight: find('conv1d.weight')!.view([d, k]),
    convBias: find('conv1d.bias')?.view(),
    outWeight: ofLayer(model, layer)('mixer.out_proj.weight')!.view(),
  };
}

/** Vision Mamba (Zhu et al. 2024), `model_type: "vim"`; with `bimamba_type: "none"` a causal Mamba that reads patches one after the other. */
export const vim: ModelFamily<VimConfig> = {
  name: 'vim',
  title: 'Vision Mamba (Zhu et al. 2024)',
  classNames: { languageModel: 'VisionMamba', classifier: 'VisionMamba' },
  parseConfig: parseVimConfig,
  parameters: parametersOf,
  sites: (config) => backboneSites(backboneOf(config), config),
  forward: (model, batch, options) => forwardBackbone(backboneOf(model.config), model, batch, options),
  images: imageBatch,
  initialState: (model, rows) => backboneOf(model.config).initialState(model, rows),
  layerKinds: (config) => new Array<LayerKind>(config.layers).fill(config.causal ? 'scan' : 'two-way scan'),
  dynamicsSites: (layer, config) => sitesOfLayer(layer, config.causal ? scanSites : inBoth(['delta', 'B', 'C'])),
  blockSites: (layer, config) =>
    sitesOfLayer(layer, config.causal ? mixerSites : ['x', 'z', 'gated', ...inBoth(['delta', 'B', 'C', 'conv', 'u'])]),
  dynamics: (model, captured, layer) =>
    model.config.causal
      ? mambaDynamics(ofLayer(model, layer), captured, layer)
      : {
          forward: dynamicsIn('forward', model, captured, layer),
          backward: dynamicsIn('backward', model, captured, layer),
        },
  blockParts: (model, captured, layer) =>
    model.config.causal
      ? mambaParts(ofLayer(model, layer), captured, layer)
      : {
          forward: partsIn('forward', model, captured, layer),
          backward: partsIn('backward', model, captured, layer),
        },
};
