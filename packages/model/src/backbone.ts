import { cast, embedding, linear, rmsNorm, slice, weightedSum, type Float, type Tensor, type WeightType } from '@hidden-attention/tensor';
import { mambaNames, type BackboneNames } from './names.js';
import { idsOf, maskOf, pickPositions, shapeOfBatch, type Batch } from './batch.js';
import { ModelError } from './errors.js';
import type { ForwardOptions, ForwardResult, ModelConfig } from './family.js';
import type { Model } from './model.js';
import { runLayer, type LayerResult } from './recompute.js';
import { Sites } from './sites.js';
import { tensorsOf, type LayerState, type ModelState, type ScanState } from './state.js';

/** What a block is given beside its input. */
export interface BlockContext<Config extends ModelConfig = ModelConfig, State extends LayerState = ScanState> {
  model: Model<Config>;
  layer: number;
  sites: Sites;
  /** what this layer carries in */
  state: State;
  /** it may be written over, and given back */
  inPlace: boolean;
  batch: Batch;
  spelledOut: boolean;
  /** a parameter of this layer, by its name within the layer */
  parameter(name: string): Tensor<WeightType>;
  /** the same, undefined where the model has none: a bias that is switched off */
  optional(name: string): Tensor<WeightType> | undefined;
  /** what `make` computes from parameters alone; in a recorded step in place once, and not at every replay */
  constant<T>(make: () => T): T;
}

/** Whether a block may write over what it carries in: in place, and nobody looks at or changes what the layer leaves there. */
export const overwrites = ({ inPlace, sites, layer }: Pick<BlockContext, 'inPlace' | 'sites' | 'layer'>, site: string): boolean =>
  inPlace && sites.quiet(`layers.${layer}.${site}`);

/** A family whose model is embeddings, blocks on a residual stream, a norm and a head. */
export interface Backbone<Config extends ModelConfig> {
  /** default: those of Mamba */
  names?: BackboneNames;
  /** names of a layer's sites, without `layers.K.` */
  layerSites(config: Config, layer: number): readonly string[];
  /** what enters the first block (b l m), in f32; default: the embeddings of the ids */
  embed?(model: Model<Config>, batch: Batch, state: ModelState): Tensor;
  /** h (b l m) → h + mixer(norm(h)) (b l m), and the state it leaves */
  block(h: Tensor, context: BlockContext<Config, LayerState>): LayerResult;
  /** h (b l m) → (b l m), before the head */
  finalNorm(h: Tensor, model: Model<Config>): Tensor;
  /** a classifier's logits (b classes) of what it pools (b m); default: times score.weight */
  classify?(pooled: Tensor, model: Model<Config>): Tensor<Float>;
  initialState(model: Model<Config>, rows: number): ModelState;
}

/** `layers.K.` before each name. */
export const sitesOfLayer = (layer: number, names: readonly string[]): string[] => names.map((name) => `layers.${layer}.${name}`);

/** All sites of such a model, or those of a pass that starts at a later layer. */
export function backboneSites<Config extends ModelConfig>({ layerSites }: Backbone<Config>, config: Config, first = 0): string[] {
  const layers = Array.from({ length: config.layers }, (_, layer) => (layer < first ? [] : sitesOfLayer(layer, layerSites(config, layer))));
  return [...(first === 0 ? ['embeddings'] : []), ...layers.flat(), 'finalNorm', 'logits'];
}

/** Where a pass starts. */
function firstLayer({ fromLayer = 0, embeddings }: ForwardOptions, layers: number): number {
  if (!Number.isInteger(fromLayer) || fromLayer < 0 || fromLayer > layers)
    throw new ModelError(`fromLayer is ${fromLayer}; a whole number from 0 to ${layers} is needed (${layers}: the head alone)`);
  if (fromLayer > 0 && !embeddings)
    throw new ModelError(`fromLayer is ${fromLayer}, and nothing was given to enter that layer; pass it as embeddings (b l m)`);
  return fromLayer;
}

/** A parameter of one layer of a Mamba, undefined where the model has none (a bias that is switched off). */
export function layerParameter(model: Model, layer: number, name: string): Tensor<WeightType> | undefined {
  return model.parameters.get(`${mambaNames.layer(layer)}${name}`);
}

/** A forward pass: `ModelFamily.forward` of such a family. */
export function forwardBackbone<Config extends ModelConfig>(
  backbone: Backbone<Config>,
  model: Model<Config>,
  batch: Batch,
  options: ForwardOptions,
): ForwardResult {
  const { config } = model;
  const { names = mambaNames } = backbone;
  const { lengthsTensor: lengths } = batch;
  const state = options.state ?? backbone.initialState(model, shapeOfBatch(batch)[0]);
  if (state.layers.length !== config.layers)
    throw new ModelError(`the state has ${state.layers.length} layers; the model has ${config.layers}`);
  const mask = lengths && maskOf(batch);
  const first = firstLayer(options, config.layers);
  const watched = new Sites(backboneSites(backbone, config, first), options, mask && (() => mask));

  // the residual stream is f32, whatever the weights are
  const entering = options.embeddings ?? backbone.embed?.(model, batch, state) ?? tokenEmbeddings(names, model, batch);
  let h: Tensor = first === 0 ? watched.pass('embeddings', entering) : entering; //                 (b l m)
  const layers: LayerState[] = state.layers.slice(0, first);
  for (let layer = first; layer < config.layers; layer++) {
    const [input, carried] = [h, state.layers[layer]!];
    const prefix = names.layer(layer);
    const context: BlockContext<Config, LayerState> = {
      model,
      layer,
      sites: watched,
      state: carried,
      inPlace: options.inPlace ?? false,
      batch,
      spelledOut: options.spelledOut ?? false,
      parameter: (name) => model.parameter(prefix + name),
      optional: (name) => model.parameters.get(prefix + name),
      constant: (make) => (options.inPlace ? model.device.once(make) : make()),
    };
    const result = runLayer(options, watched, {
      model,
      prefix,
      sites: sitesOfLayer(layer, backbone.layerSites(config, layer)),
      inputs: [input, ...Object.values(tensorsOf(carried)), lengths, batch.startsTensor],
      body: () => backbone.block(input, context),
    });
    h = result.output;
    layers.push(result.state);
    const ours = input !== options.embeddings && input !== h && !options.patch && !Object.values(watched.captured).includes(input);
    if (ours) input.dispose();
  }
  const logits = headLogits(backbone, names, model, h, batch, options, watched);
  return { ...(logits ? { logits } : {}), state: { layers }, captured: watched.captured };
}

/** The embeddings of the ids (b l m), in f32. */
export function tokenEmbeddings(names: BackboneNames, model: Model, batch: Batch): Tensor<Float> {
  return cast(embedding(idsOf(batch), model.parameter(names.embeddings)), 'f32');
}

/** The last norm and the head: (b l vocab) for all positions, (b n vocab) for some, (b vocab) for one a row, (b classes) of a classifier. */
function headLogits<Config extends ModelConfig>(
  { finalNorm, classify }: Backbone<Config>,
  names: BackboneNames,
  model: Model<Config>,
  h: Tensor,
  batch: Batch,
  options: ForwardOptions,
  watched: Sites,
): Tensor<Float> | undefined {
  const { head } = model.config;
  const wanted = options.logits ?? 'all';
  if (wanted === 'none' && watched.quiet('finalNorm', 'logits')) return undefined;
  const normed = watched.pass('finalNorm', finalNorm(h, model));
  if (head.kind === 'classifier') {
    if (batch.startsTensor) throw new ModelError('a classifier gives one answer a row; give each text a row of its own');
    const pooled = weightedSum(normed, pickPositions(batch, head.pooling));
    const logits = classify ? classify(pooled, model) : linear(pooled, model.parameter('score.weight'));
    return watched.pass('logits', logits, { perPosition: false });
  }
  const weight = model.parameter(head.tied ? names.embeddings : names.head);
  if (wanted === 'all' || wanted === 'none') return watched.pass('logits', linear(normed, weight, undefined, { dtype: 'f32' }));
  const chosen =
    typeof wanted === 'object' && 'start' in wanted
      ? slice(normed, 1, wanted.start, wanted.end)
      : weightedSum(normed, pickPositions(batch, wanted));
  return watched.pass('logits', linear(chosen, weight, undefined, { dtype: 'f32' }), { perPosition: false });
}

/** The last norm of Mamba models. */
export const mambaFinalNorm = (h: Tensor, model: Model<ModelConfig & { epsilon: number }>): Tensor =>
  rmsNorm({ x: h, weight: model.parameter('backbone.norm_f.weight') }, { epsilon: model.config.epsilon }).y;
