import { add, concat, gate, linear, reshape, rmsNorm, Tensor } from '@hidden-attention/tensor';
import { backboneSites, forwardBackbone, sitesOfLayer, type Backbone, type BlockContext } from '../backbone.js';
import type { ModelFamily, ParameterSpec } from '../family.js';
import { backboneParameters, constant, free, linearWeight, normal } from '../initialize.js';
import { mambaMixer } from '../mamba/block.js';
import { mambaDynamics, mambaParts, mambaSites, mambaState, mixerSites, scanSites, type FindParameter } from '../mamba/dynamics.js';
import { mixerParameters } from '../mamba/parameters.js';
import type { Model } from '../model.js';
import type { BackboneNames } from '../names.js';
import type { LayerResult } from '../recompute.js';
import { emptyCache, type CacheState, type LayerState, type ModelState } from '../state.js';
import { attentionSites, causalAttention, softmaxDynamics, softmaxParts, softmaxSites } from '../transformer/attention.js';
import { parseJambaConfig, type JambaConfig } from './config.js';

const names: BackboneNames = {
  embeddings: 'model.embed_tokens.weight',
  layer: (layer) => `model.layers.${layer}.`,
  head: 'lm_head.weight',
};

/** A Mamba block's names for parameters, in Jamba's words. */
const published = (name: string): string => name.replace(/^mixer\./, 'mamba.').replace(/^norm\./, 'input_layernorm.');

function parametersOf(config: JambaConfig): Record<string, ParameterSpec> {
  const { hiddenSize: m, feedForwardSize: f, heads, keyHeads, timeStepRank: r, stateSize: n, kinds } = config;
  const { range } = config.initialization;
  const width = m / heads;
  const matrix = (rows: number, columns: number): ParameterSpec => linearWeight([rows, columns], normal(range));
  const norm = (size: number): ParameterSpec => free([size], constant(1));
  const behind = {
    'pre_ff_layernorm.weight': norm(m),
    'feed_forward.gate_proj.weight': matrix(f, m),
    'feed_forward.up_proj.weight': matrix(f, m),
    'feed_forward.down_proj.weight': matrix(m, f),
  };
  const mixer = {
    scan: {
      ...Object.fromEntries(Object.entries(mixerParameters(config)).map(([name, spec]) => [published(name), spec])),
      'mamba.dt_layernorm.weight': norm(r),
      'mamba.b_layernorm.weight': norm(n),
      'mamba.c_layernorm.weight': norm(n),
    },
    softmax: {
      'input_layernorm.weight': norm(m),
      'self_attn.q_proj.weight': matrix(m, m),
      'self_attn.k_proj.weight': matrix(keyHeads * width, m),
      'self_attn.v_proj.weight': matrix(keyHeads * width, m),
      'self_attn.o_proj.weight': matrix(m, m),
    },
  };
  return backboneParameters(config, range, (layer) => ({ ...mixer[kinds[layer]!], ...behind }), {
    names,
    finalNorm: { 'model.final_layernorm.weight': norm(m) },
  });
}

type Context = BlockContext<JambaConfig, LayerState>;

/** Softmax attention without positions; a head of keys and values serves several of queries. */
function attentionMixer(h: Tensor, context: BlockContext<JambaConfig, CacheState>): { input: Tensor; mixer: Tensor; state: CacheState } {
  const { model, layer, sites, parameter } = context;
  const { heads, keyHeads, hiddenSize, epsilon } = model.config;
  const site = <T extends Tensor>(name: string, value: T): T => sites.pass(`layers.${layer}.${name}`, value);
  const input = site('input', h);
  const normed = site('norm', rmsNorm({ x: input, weight: parameter('input_layernorm.weight') }, { epsilon }).y);
  const project = (name: string, count: number): Tensor => {
    const x = linear(normed, parameter(`self_attn.${name}_proj.weight`));
    return reshape(x, [...x.shape.slice(0, 2), count, hiddenSize / heads]);
  };
  const [q, k, v] = [
    project('q', heads),
    repeated(project('k', keyHeads), heads / keyHeads),
    repeated(project('v', keyHeads), heads / keyHeads),
  ];
  const { attended, state } = causalAttention({ q, k, v }, context);
  return { input, mixer: site('mixer', linear(attended, parameter('self_attn.o_proj.weight'))), state };
}

/** Each head so many times in a row: (b l h p) → (b l h·times p). */
function repeated(x: Tensor, times: number): Tensor {
  if (times === 1) return x;
  const [rows, length, heads, width] = x.shape as [number, number, number, number];
  const one = reshape(x, [rows, length, heads, 1, width]);
  return reshape(concat(new Array<Tensor>(times).fill(one), 3), [rows, length, heads * times, width]);
}

/** One layer: a mixer, then a gated linear unit, each behind a norm and added to the stream. */
function block(h: Tensor, context: Context): LayerResult {
  const { model, layer, sites, parameter, optional } = context;
  const site = <T extends Tensor>(name: string, value: T): T => sites.pass(`layers.${layer}.${name}`, value);
  const inMambasWords = {
    ...context,
    parameter: (name: string) => parameter(published(name)),
    optional: (name: string) => optional(published(name)),
  };
  const { input, mixer, state } =
    model.config.kinds[layer] === 'scan'
      ? mambaMixer(h, inMambasWords as BlockContext<JambaConfig>)
      : attentionMixer(h, context as BlockContext<JambaConfig, CacheState>);
  const middle = site('middle', add(input, mixer));
  const normed = rmsNorm({ x: middle, weight: parameter('pre_ff_layernorm.weight') }, { epsilon: model.config.epsilon }).y;
  const project = (x: Tensor, name: string): Tensor => linear(x, parameter(`feed_forward.${name}_proj.weight`));
  const hidden = gate({ x: project(normed, 'up'), z: project(normed, 'gate') });
  return { output: site('output', add(middle, site('feedForward', project(hidden, 'down')))), state };
}

function initialState(model: Model<JambaConfig>, rows: number): ModelState {
  const { kinds, heads, hiddenSize } = model.config;
  const like = model.parameter(names.embeddings);
  return { layers: kinds.map((kind) => (kind === 'scan' ? mambaState(model, rows) : emptyCache(rows, heads, hiddenSize / heads, like))) };
}

const sitesOfKind = {
  scan: ['input', ...mambaSites, 'middle', 'feedForward', 'output', 'state', 'convState'],
  softmax: ['input', 'norm', ...attentionSites, 'mixer', 'middle', 'feedForward', 'output'],
};

const backbone: Backbone<JambaConfig> = {
  names,
  layerSites: ({ kinds }, layer) => sitesOfKind[kinds[layer]!],
  block,
  finalNorm: (h, model) => rmsNorm({ x: h, weight: model.parameter('model.final_layernorm.weight') }, { epsilon: model.config.epsilon }).y,
  initialState,
};

const ofLayer =
  (model: Model, layer: number): FindParameter =>
  (name) =>
    model.parameters.get(names.layer(layer) + published(name));

/** Jamba (Lieber et al. 2024) without mixtures of experts, `model_type: "jamba"`. */
export const jamba: ModelFamily<JambaConfig> = {
  name: 'jamba',
  title: 'Jamba, without experts (Lieber et al. 2024)',
  parseConfig: parseJambaConfig,
  parameters: parametersOf,
  sites: (config) => backboneSites(backbone, config),
  forward: (model, batch, options) => forwardBackbone(backbone, model, batch, options),
  initialState,
  layerKinds: ({ kinds }) => kinds,
  dynamicsSites: (layer, { kinds }) => sitesOfLayer(layer, kinds[layer] === 'scan' ? scanSites : softmaxSites),
  blockSites: (layer, { kinds }) => sitesOfLayer(layer, kinds[layer] === 'scan' ? mixerSites : attentionSites),
  dynamics: (model, captured, layer) =>
    model.config.kinds[layer] === 'scan' ? mambaDynamics(ofLayer(model, layer), captured, layer) : softmaxDynamics(captured, layer),
  blockParts: (model, captured, layer) =>
    model.config.kinds[layer] === 'scan' ? mambaParts(ofLayer(model, layer), captured, layer) : softmaxParts(captured, layer),
};
