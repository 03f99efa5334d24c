import { add, embedding, gelu, matmul, positionIds, reshape, split, Tensor, type Float } from '@hidden-attention/tensor';
import { tokenEmbeddings, type BlockContext } from '../backbone.js';
import { idsOf, isImages, positionsWithinTexts } from '../batch.js';
import { ModelError } from '../errors.js';
import type { ModelFamily, ParameterSpec } from '../family.js';
import { backboneParameters, constant, free, normal, weight } from '../initialize.js';
import type { BackboneNames } from '../names.js';
import type { LayerResult } from '../recompute.js';
import { isCache, type CacheState, type LayerState } from '../state.js';
import { attentionSites, causalAttention } from './attention.js';
import { parseGpt2Config, type TransformerConfig } from './config.js';
import { softmaxFamily, type SoftmaxBackbone } from './family.js';
import { layerNorm } from './layer-norm.js';

const names: BackboneNames = {
  embeddings: 'transformer.wte.weight',
  layer: (layer) => `transformer.h.${layer}.`,
  head: 'lm_head.weight',
};

/** Linear layers lie as (in, out) in GPT-2's checkpoints. */
function parametersOf(config: TransformerConfig): Record<string, ParameterSpec> {
  const { hiddenSize: m, innerSize, layers, maxPositions, range } = config;
  const residual = range / Math.sqrt(2 * layers);
  const block: Record<string, ParameterSpec> = {
    'ln_1.weight': free([m], constant(1)),
    'ln_1.bias': free([m], constant(0)),
    'attn.c_attn.weight': weight([m, 3 * m], normal(range)),
    'attn.c_attn.bias': free([3 * m], constant(0)),
    'attn.c_proj.weight': weight([m, m], normal(residual)),
    'attn.c_proj.bias': free([m], constant(0)),
    'ln_2.weight': free([m], constant(1)),
    'ln_2.bias': free([m], constant(0)),
    'mlp.c_fc.weight': weight([m, innerSize], normal(range)),
    'mlp.c_fc.bias': free([innerSize], constant(0)),
    'mlp.c_proj.weight': weight([innerSize, m], normal(residual)),
    'mlp.c_proj.bias': free([m], constant(0)),
  };
  return backboneParameters(config, range, block, {
    names,
    positions: { 'transformer.wpe.weight': weight([maxPositions!, m], normal(range)) },
    finalNorm: { 'transformer.ln_f.weight': free([m], constant(1)), 'transformer.ln_f.bias': free([m], constant(0)) },
  });
}

/** One block: attention, then two linear layers with a GELU between them, each behind a norm and added to the stream. */
function block(h: Tensor, context: BlockContext<TransformerConfig, LayerState>): LayerResult {
  const { model, layer, sites, parameter } = context;
  const { hiddenSize: m, heads, epsilon, activation } = model.config;
  const site = <T extends Tensor>(name: string, value: T): T => sites.pass(`layers.${layer}.${name}`, value);
  const norm = (x: Tensor, name: string): Tensor => layerNorm(x, parameter(`${name}.weight`), parameter(`${name}.bias`), epsilon);
  const project = (x: Tensor, name: string): Tensor<Float> => {
    const table = parameter(`${name}.weight`);
    const y = matmul(reshape(x, [x.size / table.shape[0]!, table.shape[0]!]), table);
    return add(reshape(y, [...x.shape.slice(0, -1), table.shape[1]!]), parameter(`${name}.bias`));
  };
  const input = site('input', h);
  const parts = split(project(site('norm', norm(input, 'ln_1')), 'attn.c_attn'), [m, m, m]);
  const [q, k, v] = parts.map((part) => reshape(part, [...part.shape.slice(0, 2), heads, m / heads])) as [Tensor, Tensor, Tensor];
  const { attended, state } = causalAttention({ q, k, v }, context as BlockContext<TransformerConfig, CacheState>);
  const middle = site('middle', add(input, site('mixer', project(attended, 'attn.c_proj'))));
  const hidden = gelu(project(norm(middle, 'ln_2'), 'mlp.c_fc'), activation);
  return { output: site('output', add(middle, site('feedForward', project(hidden, 'mlp.c_proj')))), state };
}

const layerSites = ['input', 'norm', ...attentionSites, 'mixer', 'middle', 'feedForward', 'output'];

const backbone: SoftmaxBackbone<TransformerConfig> = {
  names,
  layerSites: () => layerSites,
  embed(model, batch, { layers: [first] }) {
    const ids = idsOf(batch);
    const within = isImages(batch) ? undefined : positionsWithinTexts(batch);
    const cache = first && isCache(first) && first.filled > 0 ? first : undefined;
    const length = within ? Math.max(...within) + 1 : (cache?.filled ?? 0) + ids.shape[1]!;
    const { maxPositions } = model.config;
    if (length > maxPositions!)
      throw new ModelError(`the text has ${length} positions; this model has a table of ${maxPositions}. Shorten the text`);
    const positions = within ? Tensor.from(within, ids.shape, ids.device) : positionIds(ids, cache?.past);
    return add(tokenEmbeddings(names, model, batch), embedding(positions, model.parameter('transformer.wpe.weight')));
  },
  block,
  finalNorm: (h, model) =>
    layerNorm(h, model.parameter('transformer.ln_f.weight'), model.parameter('transformer.ln_f.bias'), model.config.epsilon),
};

/** GPT-2 (Radford et al. 2019), `model_type: "gpt2"`. */
export const gpt2: ModelFamily<TransformerConfig> = softmaxFamily(backbone, {
  name: 'gpt2',
  title: 'GPT-2 (Radford et al. 2019)',
  classNames: { languageModel: 'GPT2LMHeadModel', classifier: 'GPT2ForSequenceClassification' },
  parseConfig: parseGpt2Config,
  parameters: parametersOf,
});
