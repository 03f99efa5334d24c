import { add, gelu, linear, reshape, rotate, slice, Tensor } from '@hidden-attention/tensor';
import type { BlockContext } from '../backbone.js';
import type { ModelFamily, ParameterSpec } from '../family.js';
import { backboneParameters, constant, free, linearWeight, normal } from '../initialize.js';
import type { BackboneNames } from '../names.js';
import type { LayerResult } from '../recompute.js';
import type { CacheState, LayerState } from '../state.js';
import { attentionSites, causalAttention } from './attention.js';
import { parseGptNeoxConfig, type TransformerConfig } from './config.js';
import { softmaxFamily, type SoftmaxBackbone } from './family.js';
import { layerNorm } from './layer-norm.js';

const names: BackboneNames = {
  embeddings: 'gpt_neox.embed_in.weight',
  layer: (layer) => `gpt_neox.layers.${layer}.`,
  head: 'embed_out.weight',
};

function parametersOf(config: TransformerConfig): Record<string, ParameterSpec> {
  const { hiddenSize: m, innerSize, range, attentionBias } = config;
  const block: Record<string, ParameterSpec | undefined> = {
    'input_layernorm.weight': free([m], constant(1)),
    'input_layernorm.bias': free([m], constant(0)),
    'post_attention_layernorm.weight': free([m], constant(1)),
    'post_attention_layernorm.bias': free([m], constant(0)),
    'attention.query_key_value.weight': linearWeight([3 * m, m], normal(range)),
    'attention.query_key_value.bias': attentionBias ? free([3 * m], constant(0)) : undefined,
    'attention.dense.weight': linearWeight([m, m], normal(range)),
    'attention.dense.bias': attentionBias ? free([m], constant(0)) : undefined,
    'mlp.dense_h_to_4h.weight': linearWeight([innerSize, m], normal(range)),
    'mlp.dense_h_to_4h.bias': free([innerSize], constant(0)),
    'mlp.dense_4h_to_h.weight': linearWeight([m, innerSize], normal(range)),
    'mlp.dense_4h_to_h.bias': free([m], constant(0)),
  };
  return backboneParameters(config, range, block, {
    names,
    finalNorm: {
      'gpt_neox.final_layer_norm.weight': free([m], constant(1)),
      'gpt_neox.final_layer_norm.bias': free([m], constant(0)),
    },
  });
}

/** One block: attention with rotary positions and two linear layers, side by side or one after the other. */
function block(h: Tensor, context: BlockContext<TransformerConfig, LayerState>): LayerResult {
  const { model, layer, sites, parameter, optional } = context;
  const { hiddenSize: m, heads, epsilon, activation, rotary, parallel } = model.config;
  const carried = context.state as CacheState;
  const site = <T extends Tensor>(name: string, value: T): T => sites.pass(`layers.${layer}.${name}`, value);
  const norm = (x: Tensor, name: string): Tensor => layerNorm(x, parameter(`${name}.weight`), parameter(`${name}.bias`), epsilon);
  const project = (x: Tensor, name: string): Tensor => linear(x, parameter(`${name}.weight`), optional(`${name}.bias`));

  const input = site('input', h);
  const together = project(site('norm', norm(input, 'input_layernorm')), 'attention.query_key_value'); // q, k and v of each head side by side
  const [rows, length] = together.shape as [number, number];
  const width = m / heads;
  const all = reshape(together, [rows, length, heads, 3 * width]);
  const part = (index: number): Tensor => slice(all, 3, index * width, (index + 1) * width);
  const past = carried.filled > 0 ? carried.past : undefined;
  const turned = (x: Tensor): Tensor => (rotary && rotary.pairs > 0 ? rotate({ x, past }, rotary) : x);
  const { attended, state } = causalAttention(
    { q: turned(part(0)), k: turned(part(1)), v: part(2) },
    context as BlockContext<TransformerConfig, CacheState>,
  );
  const middle = site('middle', add(input, site('mixer', project(attended, 'attention.dense'))));
  const hidden = gelu(project(norm(parallel ? input : middle, 'post_attention_layernorm'), 'mlp.dense_h_to_4h'), activation);
  return { output: site('output', add(middle, site('feedForward', project(hidden, 'mlp.dense_4h_to_h')))), state };
}

const layerSites = ['input', 'norm', ...attentionSites, 'mixer', 'middle', 'feedForward', 'output'];

const backbone: SoftmaxBackbone<TransformerConfig> = {
  names,
  layerSites: () => layerSites,
  block,
  finalNorm: (h, model) =>
    layerNorm(
      h,
      model.parameter('gpt_neox.final_layer_norm.weight'),
      model.parameter('gpt_neox.final_layer_norm.bias'),
      model.config.epsilon,
    ),
};

/** GPT-NeoX (Black et al. 2022), `model_type: "gpt_neox"`: Pythia (Biderman et al. 2023), among others. */
export const gptNeox: ModelFamily<TransformerConfig> = softmaxFamily(backbone, {
  name: 'gpt_neox',
  title: 'GPT-NeoX, Pythia (Black et al. 2022; Biderman et al. 2023)',
  classNames: { languageModel: 'GPTNeoXForCausalLM', classifier: 'GPTNeoXForSequenceClassification' },
  parseConfig: parseGptNeoxConfig,
  parameters: parametersOf,
});
