import { backboneSites, forwardBackbone, sitesOfLayer, type Backbone, type BlockContext } from '../backbone.js';
import type { ModelFamily } from '../family.js';
import { mamba2Block } from '../mamba2/block.js';
import { mamba2Dynamics, mamba2MixerSites, mamba2Parts, mamba2ScanSites, mamba2Sites, mamba2State } from '../mamba2/dynamics.js';
import { mamba2MixerParameters } from '../mamba2/parameters.js';
import { aroundScans, ofLayer, withBlocks } from './around.js';
import { parseVim2Config, type Vim2Config } from './config.js';
import { imageBatch } from './patches.js';

const backbone: Backbone<Vim2Config> = {
  ...aroundScans,
  layerSites: () => ['input', ...mamba2Sites, 'output', 'state', 'convState'],
  block: (h, context) => mamba2Block(h, context as BlockContext<Vim2Config>),
  initialState: (model, rows) => ({ layers: Array.from({ length: model.config.layers }, () => mamba2State(model, rows)) }),
};

/**
 * Blocks of Mamba-2 that read the patches of an image one after the other, between the patches and the head of Vision Mamba:
 * `model_type: "vim2"`. What Vision Mamba is with `bimamba_type: "none"`, the mixer another one.
 */
export const vim2: ModelFamily<Vim2Config> = {
  name: 'vim2',
  title: 'Mamba-2 over the patches of images',
  classNames: { languageModel: 'VisionMamba2', classifier: 'VisionMamba2' },
  parseConfig: parseVim2Config,
  parameters: (config) => withBlocks(config, Object.entries(mamba2MixerParameters(config))),
  sites: (config) => backboneSites(backbone, config),
  forward: (model, batch, options) => forwardBackbone(backbone, model, batch, options),
  images: imageBatch,
  initialState: backbone.initialState,
  dynamicsSites: (layer) => sitesOfLayer(layer, mamba2ScanSites),
  blockSites: (layer) => sitesOfLayer(layer, mamba2MixerSites),
  dynamics: (model, captured, layer) => mamba2Dynamics(ofLayer(model, layer), model.config, captured, layer),
  blockParts: (model, captured, layer) => mamba2Parts(ofLayer(model, layer), model.config, captured, layer),
};
