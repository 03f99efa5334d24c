import { linear, rmsNorm, type Tensor } from '@hidden-attention/tensor';
import type { Backbone } from '../backbone.js';
import type { ParameterSpec } from '../family.js';
import { free, constant, linearWeight, normal } from '../initialize.js';
import type { FindParameter } from '../mamba/dynamics.js';
import type { Model } from '../model.js';
import type { BackboneNames } from '../names.js';
import type { VisionConfig } from './config.js';
import { embedPatches, embeddingParameters } from './embed.js';

const names: BackboneNames = { embeddings: 'patch_embed.proj.weight', layer: (layer) => `layers.${layer}.`, head: 'head.weight' };

/** What models that read images by scans have around their blocks: patches in front, an RMS norm and a head behind. */
export const aroundScans: Omit<Backbone<VisionConfig>, 'layerSites' | 'block' | 'initialState'> = {
  names,
  embed: (model, batch) => embedPatches(model, batch),
  finalNorm: (h: Tensor, model) => rmsNorm({ x: h, weight: model.parameter('norm_f.weight') }, { epsilon: model.config.epsilon }).y,
  classify: (pooled, model) => linear(pooled, model.parameter('head.weight'), model.parameter('head.bias')),
};

/** All parameters of such a model, those of a block given. */
export function withBlocks(
  config: VisionConfig,
  block: readonly (readonly [name: string, spec: ParameterSpec | undefined])[],
): Record<string, ParameterSpec> {
  const { hiddenSize: m, layers, head } = config;
  const all = embeddingParameters(config);
  for (let layer = 0; layer < layers; layer++) for (const [name, spec] of block) if (spec) all[names.layer(layer) + name] = spec;
  const classes = head.kind === 'classifier' ? head.classes : 0;
  return {
    ...all,
    'norm_f.weight': free([m], constant(1)),
    'head.weight': linearWeight([classes, m], normal(0.02)),
    'head.bias': free([classes], constant(0)),
  };
}

/** A parameter of a layer, by its name within the layer. */
export const ofLayer =
  (model: Model, layer: number): FindParameter =>
  (name) =>
    model.parameters.get(names.layer(layer) + name);
