import { cast, embedding, linear, negExp, reshape, rmsNorm, Tensor, weightedSum, type Float } from '@hidden-attention/tensor';
import { maskOf, pickPositions, type Batch } from '../batch.js';
import { ModelError } from '../errors.js';
import type { BlockParts, Dynamics, ForwardOptions, ForwardResult, ModelFamily } from '../family.js';
import type { Model } from '../model.js';
import { runLayer } from '../recompute.js';
import { Sites } from '../sites.js';
import type { ModelState } from '../state.js';
import { layerParameter, mambaBlock } from './block.js';
import { parseFalconMambaConfig, parseMambaConfig, type MambaConfig } from './config.js';
import { mambaParameters } from './parameters.js';

const layerSites = ['input', 'norm', 'x', 'z', 'conv', 'u', 'delta', 'B', 'C', 'scan', 'gated', 'mixer', 'output', 'state', 'convState'];

function sites(config: MambaConfig): string[] {
  const layers = Array.from({ length: config.layers }, (_, layer) => layerSites.map((name) => `layers.${layer}.${name}`));
  return ['embeddings', ...layers.flat(), 'finalNorm', 'logits'];
}

function forward(model: Model<MambaConfig>, batch: Batch, options: ForwardOptions): ForwardResult {
  const { config } = model;
  const { ids, lengthsTensor: lengths } = batch;
  const state = options.state ?? initialState(model, ids.shape[0]!);
  if (state.layers.length !== config.layers)
    throw new ModelError(`the state has ${state.layers.length} layers; the model has ${config.layers}`);
  const mask = lengths && maskOf(batch);
  const watched = new Sites(sites(config), options, mask && (() => mask));

  let h: Tensor = watched.pass(
    'embeddings',
    options.embeddings ?? cast(embedding(ids, model.parameter('backbone.embeddings.weight')), 'f32'),
  ); // (b l m)
  const layers: ModelState['layers'][number][] = [];
  for (let layer = 0; layer < config.layers; layer++) {
    const [input, carried] = [h, state.layers[layer]!];
    const block = runLayer(options, watched, {
      model,
      prefix: `backbone.layers.${layer}.`,
      sites: named(layer, layerSites),
      inputs: [input, carried.scan, carried.conv, lengths],
      body: () => mambaBlock(input, { model, layer, sites: watched, state: carried, lengths, spelledOut: options.spelledOut ?? false }),
    });
    h = block.output;
    layers.push(block.state);
  }
  const logits = headLogits(model, h, batch, options, watched);
  return { ...(logits ? { logits } : {}), state: { layers }, captured: watched.captured };
}

/** The last norm and the head: (b l vocab) for all positions, (b vocab) for chosen ones, (b classes) of a classifier. */
function headLogits(
  model: Model<MambaConfig>,
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

function initialState(model: Model<MambaConfig>, rows: number): ModelState {
  const { innerSize: d, stateSize: n, convKernel: k, layers } = model.config;
  const zeros = (shape: number[]): Tensor => Tensor.full(shape, 0, model.device);
  return { layers: Array.from({ length: layers }, () => ({ scan: zeros([rows, d, n]), conv: zeros([rows, d, k - 1]) })) };
}

function dynamics(model: Model<MambaConfig>, captured: Record<string, Tensor>, layer: number): Dynamics {
  const site = (name: string): Tensor => captured[`layers.${layer}.${name}`]!;
  const grouped = (tensor: Tensor): Tensor => reshape(tensor, [...tensor.shape.slice(0, 2), 1, tensor.shape[2]!]);
  return {
    delta: site('delta').view(),
    A: negExp(model.parameter(`backbone.layers.${layer}.mixer.A_log`)),
    B: grouped(site('B')),
    C: grouped(site('C')),
  };
}

function blockParts(model: Model<MambaConfig>, captured: Record<string, Tensor>, layer: number): BlockParts {
  const site = (name: string): Tensor => captured[`layers.${layer}.${name}`]!.view();
  const { innerSize: d, convKernel: k } = model.config;
  return {
    ...dynamics(model, captured, layer),
    D: model.parameter(`backbone.layers.${layer}.mixer.D`).view(),
    x: site('x'),
    conv: site('conv'),
    u: site('u'),
    z: site('z'),
    gated: site('gated'),
    convWeight: model.parameter(`backbone.layers.${layer}.mixer.conv1d.weight`).view([d, k]),
    convBias: layerParameter(model, layer, 'mixer.conv1d.bias')?.view(),
  };
}

const named = (layer: number, names: string[]): string[] => names.map((name) => `layers.${layer}.${name}`);

/** Mamba-1 (Gu and Dao 2023), `model_type: "mamba"`: MambaForCausalLM and MambaForSequenceClassification. */
export const mamba: ModelFamily<MambaConfig> = {
  name: 'mamba',
  parseConfig: parseMambaConfig,
  parameters: mambaParameters,
  sites,
  forward,
  initialState,
  dynamicsSites: (layer) => named(layer, ['delta', 'B', 'C']),
  blockSites: (layer) => named(layer, ['delta', 'B', 'C', 'x', 'conv', 'u', 'z', 'gated']),
  dynamics,
  blockParts,
};

/** Falcon-Mamba (Zuo et al. 2024), `model_type: "falcon_mamba"`: Mamba-1 with weightless norms on Δr, B and C. */
export const falconMamba: ModelFamily<MambaConfig> = { ...mamba, name: 'falcon_mamba', parseConfig: parseFalconMambaConfig };
