import { backboneSites, forwardBackbone, mambaFinalNorm, sitesOfLayer, type Backbone, type BlockContext } from '../backbone.js';
import type { ModelFamily } from '../family.js';
import { ofLayer } from '../mamba/dynamics.js';
import type { Model } from '../model.js';
import type { ModelState } from '../state.js';
import { mamba2Block } from './block.js';
import { parseMamba2Config, type Mamba2Config } from './config.js';
import { mamba2Dynamics, mamba2MixerSites, mamba2Parts, mamba2ScanSites, mamba2Sites, mamba2State } from './dynamics.js';
import { mamba2Parameters } from './parameters.js';

const layerSites = ['input', ...mamba2Sites, 'output', 'state', 'convState'];

function initialState(model: Model<Mamba2Config>, rows: number): ModelState {
  return { layers: Array.from({ length: model.config.layers }, () => mamba2State(model, rows)) };
}

const backbone: Backbone<Mamba2Config> = {
  layerSites: () => layerSites,
  block: (h, context) => mamba2Block(h, context as BlockContext<Mamba2Config>),
  finalNorm: mambaFinalNorm,
  initialState,
};

/** Mamba-2 (Dao and Gu 2024), `model_type: "mamba2"`. */
export const mamba2: ModelFamily<Mamba2Config> = {
  name: 'mamba2',
  title: 'Mamba-2 (Dao and Gu 2024)',
  parseConfig: parseMamba2Config,
  parameters: mamba2Parameters,
  sites: (config) => backboneSites(backbone, config),
  forward: (model, batch, options) => forwardBackbone(backbone, model, batch, options),
  initialState,
  dynamicsSites: (layer) => sitesOfLayer(layer, mamba2ScanSites),
  blockSites: (layer) => sitesOfLayer(layer, mamba2MixerSites),
  dynamics: (model, captured, layer) => mamba2Dynamics(ofLayer(model, layer), model.config, captured, layer),
  blockParts: (model, captured, layer) => mamba2Parts(ofLayer(model, layer), model.config, captured, layer),
};
