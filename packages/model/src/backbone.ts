import { cast, embedding, linear, rmsNorm, weightedSum, type Float, type Tensor } from '@hidden-attention/tensor';
import { maskOf, pickPositions, type Batch } from './batch.js';
import { ModelError } from './errors.js';
import type { ForwardOptions, ForwardResult, ModelConfig } from './family.js';
import type { Model } from './model.js';
import { runLayer, type LayerResult } from './recompute.js';
import { Sites } from './sites.js';
import type { ModelState } from './state.js';

/** What a block is given beside its input. */
export interface BlockContext<Config extends ModelConfig = ModelConfig> {
  model: Model<Config>;
  layer: number;
  sites: Sites;
  /** what this layer carries in */
  state: ModelState['layers'][number];
  /** (b), where rows differ in length */
  lengths: Tensor | undefined;
  spelledOut: boolean;
}

/** A family whose model is embeddings, blocks on a residual stream, a norm and a head, under Hugging Face's names (`backbone.…`). */
export interface Backbone<Config extends ModelConfig> {
  /** names of a layer's sites, without `layers.K.` */
  layerSites: readonly string[];
  /** h (b l m) → h + mixer(norm(h)) (b l m), and the state it leaves */
  block(h: Tensor, context: BlockContext<Config>): LayerResult;
  initialState(model: Model<Config>, rows: number): ModelState;
}

/** `layers.K.` before each name. */
export const sitesOfLayer = (layer: number, names: readonly string[]): string[] => names.map((name) => `layers.${layer}.${name}`);

/** All sites of such a model. */
export function backboneSites({ layers }: ModelConfig, layerSites: readonly string[]): string[] {
  return ['embeddings', ...Array.from({ length: layers }, (_, layer) => sitesOfLayer(layer, layerSites)).flat(), 'finalNorm', 'logits'];
}

/** A parameter of one layer, undefined where the model has none (a bias that is switched off). */
export function layerParameter(model: Model, layer: number, name: string): Tensor<Float> | undefined {
  return model.parameters.get(`backbone.layers.${layer}.${name}`);
}

/** A forward pass: `ModelFamily.forward` of such a family. */
export function forwardBackbone<Config extends ModelConfig & { epsilon: number }>(
  { layerSites, block, initialState }: Backbone<Config>,
  model: Model<Config>,
  batch: Batch,
  options: ForwardOptions,
): ForwardResult {
  const { config } = model;
  const { ids, lengthsTensor: lengths } = batch;
  const state = options.state ?? initialState(model, ids.shape[0]!);
  if (state.layers.length !== config.layers)
    throw new ModelError(`the state has ${state.layers.length} layers; the model has ${config.layers}`);
  const mask = lengths && maskOf(batch);
  const watched = new Sites(backboneSites(config, layerSites), options, mask && (() => mask));

  // the residual stream is f32, whatever the weights are
  const embedded = options.embeddings ?? cast(embedding(ids, model.parameter('backbone.embeddings.weight')), 'f32');
  let h: Tensor = watched.pass('embeddings', embedded); //                                          (b l m)
  const layers: ModelState['layers'][number][] = [];
  for (let layer = 0; layer < config.layers; layer++) {
    const [input, carried] = [h, state.layers[layer]!];
    const result = runLayer(options, watched, {
      model,
      prefix: `backbone.layers.${layer}.`,
      sites: sitesOfLayer(layer, layerSites),
      inputs: [input, carried.scan, carried.conv, lengths],
      body: () => block(input, { model, layer, sites: watched, state: carried, lengths, spelledOut: options.spelledOut ?? false }),
    });
    h = result.output;
    layers.push(result.state);
  }
  const logits = headLogits(model, h, batch, options, watched);
  return { ...(logits ? { logits } : {}), state: { layers }, captured: watched.captured };
}

/** The last norm and the head: (b l vocab) for all positions, (b vocab) for chosen ones, (b classes) of a classifier. */
function headLogits(
  model: Model<ModelConfig & { epsilon: number }>,
  h: Tensor,
  batch: Batch,
  options: ForwardOptions,
  watched: Sites,
): Tensor<Float> | undefined {
  const { head, epsilon } = model.config;
  const wanted = options.logits ?? 'all';
  if (wanted === 'none' && watched.quiet('finalNorm', 'logits')) return undefined;
  const normed = watched.pass('finalNorm', rmsNorm({ x: h, weight: model.parameter('backbone.norm_f.weight') }, { epsilon }).y);
  if (head.kind === 'classifier') {
    const pooled = weightedSum(normed, pickPositions(batch, head.pooling));
    return watched.pass('logits', linear(pooled, model.parameter('score.weight')), { perPosition: false });
  }
  const weight = model.parameter(head.tied ? 'backbone.embeddings.weight' : 'lm_head.weight');
  if (wanted === 'all' || wanted === 'none') return watched.pass('logits', linear(normed, weight, undefined, { dtype: 'f32' }));
  return watched.pass('logits', linear(weightedSum(normed, pickPositions(batch, wanted)), weight), { perPosition: false });
}
