import { backboneSites, forwardBackbone, mambaFinalNorm, sitesOfLayer, type Backbone, type BlockContext } from '../backbone.js';
import type { ModelFamily } from '../family.js';
import type { Model } from '../model.js';
import type { ModelState } from '../state.js';
import { mambaBlock } from './block.js';
import { mambaDynamics, mambaParts, mambaState, mambaSites, mixerSites, ofLayer, scanSites } from './dynamics.js';
import { parseFalconMambaConfig, parseMambaConfig, type MambaConfig } from './config.js';
import { mambaParameters } from './parameters.js';

const layerSites = ['input', ...mambaSites, 'output', 'state', 'convState'];

function initialState(model: Model<MambaConfig>, rows: number): ModelState {
  return { layers: Array.from({ length: model.config.layers }, () => mambaState(model, rows)) };
}

const backbone: Backbone<MambaConfig> = {
  layerSites: () => layerSites,
  block: (h, context) => mambaBlock(h, context as BlockContext<MambaConfig>),
  finalNorm: mambaFinalNorm,
  initialState,
};

/** Mamba-1 (Gu and Dao 2023), `model_type: "mamba"`: MambaForCausalLM and MambaForSequenceClassification. */
export const mamba: ModelFamily<MambaConfig> = {
  name: 'mamba',
  title: 'Mamba (Gu and Dao 2023)',
  parseConfig: parseMambaConfig,
  parameters: mambaParameters,
  sites: (config) => backboneSites(backbone, config),
  forward: (model, batch, options) => forwardBackbone(backbone, model, batch, options),
  initialState,
  dynamicsSites: (layer) => sitesOfLayer(layer, scanSites),
  blockSites: (layer) => sitesOfLayer(layer, mixerSites),
  dynamics: (model, captured, layer) => mambaDynamics(ofLayer(model, layer), captured, layer),
  blockParts: (model, captured, layer) => mambaParts(ofLayer(model, layer), captured, layer),
};

/** Falcon-Mamba (Zuo et al. 2024), `model_type: "falcon_mamba"`: Mamba-1 with weightless norms on Δr, B and C. */
export const falconMamba: ModelFamily<MambaConfig> = {
  ...mamba,
  name: 'falcon_mamba',
  title: 'Falcon-Mamba (Zuo et al. 2024)',
  parseConfig: parseFalconMambaConfig,
};
