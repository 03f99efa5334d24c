export { createModel, Model } from './model.js';
export { makeBatch, maskOf, pickPositions, type Batch } from './batch.js';
export { ModelError, nearestNames } from './errors.js';
export {
  type BlockParts,
  type Dynamics,
  type ForwardOptions,
  type ForwardResult,
  type Head,
  type LogitsOption,
  type ModelConfig,
  type ModelFamily,
  type ParameterSpec,
} from './family.js';
export { getFamily, listFamilies, registerFamily } from './registry.js';
export { inPrecision } from './precision.js';
export { runLayer } from './recompute.js';
export { expandSites, Sites, type PassObserver, type PatchValue } from './sites.js';
export { disposeState, forkState, joinRows, selectRows, type ModelState } from './state.js';
export { endOfSequence, headFields, headOf, parseFields, tokenFields } from './config-fields.js';
export { falconMamba, mamba } from './mamba/family.js';
export { mamba2 } from './mamba2/family.js';
export { type Mamba2Config } from './mamba2/config.js';
export { backboneSites, forwardBackbone, layerParameter, sitesOfLayer, type Backbone, type BlockContext } from './backbone.js';
export { type LayerResult } from './recompute.js';
export { type MambaConfig } from './mamba/config.js';
