import { backboneSites, forwardBackbone, sitesOfLayer, type Backbone } from '../backbone.js';
import type { ModelConfig, ModelFamily } from '../family.js';
import type { Model } from '../model.js';
import type { BackboneNames } from '../names.js';
import { emptyCache, type ModelState } from '../state.js';
import { attentionSites, softmaxDynamics, softmaxParts, softmaxSites } from './attention.js';

/** A backbone in which every layer is softmax attention. */
export type SoftmaxBackbone<Config extends ModelConfig> = Omit<Backbone<Config>, 'initialState'> & { names: BackboneNames };

/** The family of such a backbone. */
export function softmaxFamily<Config extends ModelConfig & { heads: number }>(
  parts: SoftmaxBackbone<Config>,
  facts: Pick<ModelFamily<Config>, 'name' | 'title' | 'classNames' | 'parseConfig' | 'parameters'>,
): ModelFamily<Config> {
  const initialState = (model: Model<Config>, rows: number): ModelState => {
    const { layers, heads, hiddenSize } = model.config;
    const like = model.parameter(parts.names.embeddings);
    return { layers: Array.from({ length: layers }, () => emptyCache(rows, heads, hiddenSize / heads, like)) };
  };
  const backbone: Backbone<Config> = { ...parts, initialState };
  return {
    ...facts,
    sites: (config) => backboneSites(backbone, config),
    forward: (model, batch, options) => forwardBackbone(backbone, model, batch, options),
    initialState,
    layerKinds: ({ layers }) => new Array<'softmax'>(layers).fill('softmax'),
    dynamicsSites: (layer) => sitesOfLayer(layer, softmaxSites),
    blockSites: (layer) => sitesOfLayer(layer, attentionSites),
    dynamics: (_, captured, layer) => softmaxDynamics(captured, layer),
    blockParts: (_, captured, layer) => softmaxParts(captured, layer),
  };
}
