import { add, gelu, linear, reshape, softmaxAttention, split, transpose, type Tensor } from '@hidden-attention/tensor';
import { backboneSites, forwardBackbone, sitesOfLayer, type Backbone, type BlockContext } from '../backbone.js';
import type { ModelFamily, ParameterSpec } from '../family.js';
import { constant, free, linearWeight, normal } from '../initialize.js';
import type { BackboneNames } from '../names.js';
import type { LayerResult } from '../recompute.js';
import type { LayerState } from '../state.js';
import { attentionSites, softmaxDynamics, softmaxParts, softmaxSites } from '../transformer/attention.js';
import { layerNorm } from '../transformer/layer-norm.js';
import { parseVitConfig, type VitConfig } from './config.js';
import { embedPatches, embeddingParameters } from './embed.js';
import { imageBatch } from './patches.js';

const names: BackboneNames = { embeddings: 'patch_embed.proj.weight', layer: (layer) => `blocks.${layer}.`, head: 'head.weight' };

function parametersOf(config: VitConfig): Record<string, ParameterSpec> {
  const { hiddenSize: m, innerSize, layers, head, qkvBias, range } = config;
  const residual = range / Math.sqrt(2 * layers);
  const block: Record<string, ParameterSpec | undefined> = {
    'norm1.weight': free([m], constant(1)),
    'norm1.bias': free([m], constant(0)),
    'attn.qkv.weight': linearWeight([3 * m, m], normal(range)),
    'attn.qkv.bias': qkvBias ? free([3 * m], constant(0)) : undefined,
    'attn.proj.weight': linearWeight([m, m], normal(residual)),
    'attn.proj.bias': free([m], constant(0)),
    'norm2.weight': free([m], constant(1)),
    'norm2.bias': free([m], constant(0)),
    'mlp.fc1.weight': linearWeight([innerSize, m], normal(range)),
    'mlp.fc1.bias': free([innerSize], constant(0)),
    'mlp.fc2.weight': linearWeight([m, innerSize], normal(residual)),
    'mlp.fc2.bias': free([m], constant(0)),
  };
  const all = embeddingParameters(config);
  for (let layer = 0; layer < layers; layer++)
    for (const [name, spec] of Object.entries(block)) if (spec) all[names.layer(layer) + name] = spec;
  const classes = head.kind === 'classifier' ? head.classes : 0;
  return {
    ...all,
    'norm.weight': free([m], constant(1)),
    'norm.bias': free([m], constant(0)),
    'head.weight': linearWeight([classes, m], normal(0.02)),
    'head.bias': free([classes], constant(0)),
  };
}

/** One block (Dosovitskiy et al. 2021): attention among all positions (or, causal, those before), then two linear layers with a GELU between them. */
function block(h: Tensor, { model, layer, sites, parameter, optional }: BlockContext<VitConfig, LayerState>): LayerResult {
  const { hiddenSize: m, heads, epsilon, causal } = model.config;
  const site = <T extends Tensor>(name: string, value: T): T => sites.pass(`layers.${layer}.${name}`, value);
  const norm = (x: Tensor, name: string): Tensor => layerNorm(x, parameter(`${name}.weight`), parameter(`${name}.bias`), epsilon);
  const project = (x: Tensor, name: string): Tensor => linear(x, parameter(`${name}.weight`), optional(`${name}.bias`));
  const input = site('input', h);
  const [rows, length] = input.shape as [number, number];
  const parts = split(project(site('norm', norm(input, 'norm1')), 'attn.qkv'), [m, m, m]);
  const [q, k, v] = (['q', 'k', 'v'] as const).map((name, i) => site(name, reshape(parts[i]!, [rows, length, heads, m / heads]))) as [
    Tensor,
    Tensor,
    Tensor,
  ];
  const { y, logSumExp } = softmaxAttention({ q, k, v }, { causal });
  site('logSumExp', transpose(logSumExp)); //                                                       (b h l) → (b l h)
  const attended = site('attended', reshape(y, [rows, length, m]));
  const middle = site('middle', add(input, site('mixer', project(attended, 'attn.proj'))));
  const hidden = gelu(project(norm(middle, 'norm2'), 'mlp.fc1'));
  return { output: site('output', add(middle, site('feedForward', project(hidden, 'mlp.fc2')))), state: {} };
}

const backbone: Backbone<VitConfig> = {
  names,
  layerSites: () => ['input', 'norm', ...attentionSites, 'mixer', 'middle', 'feedForward', 'output'],
  embed: (model, batch) => embedPatches(model, batch),
  block,
  finalNorm: (h, model) => layerNorm(h, model.parameter('norm.weight'), model.parameter('norm.bias'), model.config.epsilon),
  classify: (pooled, model) => linear(pooled, model.parameter('head.weight'), model.parameter('head.bias')),
  initialState: (model) => ({ layers: Array.from({ length: model.config.layers }, () => ({})) }),
};

/** A vision transformer (Dosovitskiy et al. 2021; DeiT, Touvron et al. 2021) under timm's names, `model_type: "vit"`. */
export const vit: ModelFamily<VitConfig> = {
  name: 'vit',
  title: 'ViT, DeiT (Dosovitskiy et al. 2021; Touvron et al. 2021)',
  classNames: { languageModel: 'VisionTransformer', classifier: 'VisionTransformer' },
  parseConfig: parseVitConfig,
  parameters: parametersOf,
  sites: (config) => backboneSites(backbone, config),
  forward: (model, batch, options) => forwardBackbone(backbone, model, batch, options),
  images: imageBatch,
  initialState: backbone.initialState,
  layerKinds: ({ layers }) => new Array<'softmax'>(layers).fill('softmax'),
  dynamicsSites: (layer) => sitesOfLayer(layer, softmaxSites),
  blockSites: (layer) => sitesOfLayer(layer, attentionSites),
  dynamics: ({ config }, captured, layer) => ({ ...softmaxDynamics(captured, layer), causal: config.causal }),
  blockParts: ({ config }, captured, layer) => ({ ...softmaxParts(captured, layer), causal: config.causal }),
};
