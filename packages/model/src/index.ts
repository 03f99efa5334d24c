export { createModel } from './create.js';
export { layerKindsOf, Model } from './model.js';
export {
  deviceOfBatch,
  disposeBatch,
  idsOf,
  isImages,
  makeBatch,
  maskOf,
  patchesOf,
  pickPositions,
  shapeOfBatch,
  type Batch,
  type ImageBatch,
  type Pooling,
  type TextBatch,
} from './batch.js';
export { ModelError, nearestNames } from './errors.js';
export {
  type BlockParts,
  type Dynamics,
  type TwoWay,
  type LayerKind,
  type LayerParts,
  type ScanDynamics,
  type SoftmaxDynamics,
  type SoftmaxParts,
  type ForwardOptions,
  type ForwardResult,
  type Head,
  type LogitsOption,
  type ModelConfig,
  type ModelFamily,
  type ParameterSpec,
} from './family.js';
export { getFamily, listFamilies, registerFamily } from './registry.js';
export { heldAs, inPrecision, inEightBits, precisions, roundsActivations, withExactActivations, type Precision } from './precision.js';
export { runLayer } from './recompute.js';
export { expandSites, Sites, type PassObserver, type PatchValue } from './sites.js';
export {
  disposeState,
  forkState,
  isCache,
  joinRows,
  roomOf,
  selectRows,
  tensorsOf,
  withRoom,
  type CacheState,
  type LayerState,
  type ModelState,
  type ScanState,
} from './state.js';
export { endOfSequence, headFields, headOf, parseFields, tokenFields } from './config-fields.js';
export { falconMamba, mamba } from './mamba/family.js';
export { mamba2 } from './mamba2/family.js';
export { type Mamba2Config, type Mamba2Sizes } from './mamba2/config.js';
export { vim } from './vision/vim.js';
export { vim2 } from './vision/vim2.js';
export { vit } from './vision/vit.js';
export { type ClassToken, type Vim2Config, type VimConfig, type VisionConfig, type VitConfig } from './vision/config.js';
export { jamba } from './jamba/family.js';
export { type JambaConfig } from './jamba/config.js';
export { gpt2 } from './transformer/gpt2.js';
export { gptNeox } from './transformer/gpt-neox.js';
export { type TransformerConfig } from './transformer/config.js';
export { backboneSites, forwardBackbone, layerParameter, sitesOfLayer, type Backbone, type BlockContext } from './backbone.js';
export { type BackboneNames } from './names.js';
export { type LayerResult } from './recompute.js';
export { type MambaConfig } from './mamba/config.js';
