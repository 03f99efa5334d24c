import type { Model } from '@hidden-attention/model';
import {
  decimal,
  headConfig,
  logNegative,
  negExp,
  number,
  refuse,
  type Architecture,
  type Correspondence,
  type Sizes,
} from './correspondence.js';
import type { GgufHeader, GgufValue } from './header.js';
import { jamba } from './jamba.js';
import { gpt2, gptneox } from './transformers.js';

const flat = (shape: readonly number[]): readonly number[] => [shape.reduce((product, size) => product * size, 1)];

/** Tensors that all Mamba models have. */
const common: readonly Correspondence[] = [
  { theirs: 'token_embd.weight', ours: 'backbone.embeddings.weight' },
  { theirs: 'output_norm.weight', ours: 'backbone.norm_f.weight' },
  { theirs: 'output.weight', ours: 'lm_head.weight' },
  { theirs: 'blk.%.attn_norm.weight', ours: 'backbone.layers.%.norm.weight' },
  { theirs: 'blk.%.ssm_in.weight', ours: 'backbone.layers.%.mixer.in_proj.weight' },
  {
    theirs: 'blk.%.ssm_conv1d.weight',
    ours: 'backbone.layers.%.mixer.conv1d.weight',
    shape: ([d, , k]) => [d!, k!],
    ourShape: ([d, k]) => [d!, 1, k!],
    exact: true,
  },
  { theirs: 'blk.%.ssm_conv1d.bias', ours: 'backbone.layers.%.mixer.conv1d.bias' },
  { theirs: 'blk.%.ssm_out.weight', ours: 'backbone.layers.%.mixer.out_proj.weight' },
];

/** What both kinds of Mamba say in their metadata. */
function commonConfig(header: GgufHeader, architecture: string): Record<string, unknown> {
  const key = (name: string): number => number(header, `${architecture}.${name}`);
  return {
    ...headConfig(header),
    hidden_size: key('embedding_length'),
    num_hidden_layers: key('block_count'),
    conv_kernel: key('ssm.conv_kernel'),
    state_size: key('ssm.state_size'),
    layer_norm_epsilon: decimal(key('attention.layer_norm_rms_epsilon')),
    use_bias: false,
    use_conv_bias: true,
  };
}

/** Metadata that both kinds have, and what they have no place for. */
function commonMetadata(model: Model, architecture: string): Record<string, GgufValue> {
  const config = model.config as Sizes;
  if (config.head.kind === 'classifier') refuse("a classifier's head");
  if (config['useBias'] === true) refuse('biases of in_proj and out_proj');
  if (config['useConvBias'] === false) refuse('a convolution without bias');
  if (config['innerSize'] !== 2 * config.hiddenSize)
    refuse(`an inner width of ${String(config['innerSize'])} that is not twice the hidden size`);
  const key = (name: string): string => `${architecture}.${name}`;
  return {
    [key('context_length')]: 2 ** 20, // a Mamba has no limit; readers want a number
    [key('embedding_length')]: config.hiddenSize,
    [key('feed_forward_length')]: 0,
    [key('attention.head_count')]: 0,
    [key('block_count')]: config.layers,
    [key('vocab_size')]: config.vocabSize,
    [key('ssm.conv_kernel')]: config['convKernel'] as number,
    [key('ssm.inner_size')]: config['innerSize'] as number,
    [key('ssm.state_size')]: config['stateSize'] as number,
  };
}

/** Keys whose numbers are real; all others are whole. */
export const realKeys: RegExp = /(epsilon|_eps|freq_base)$/;

const mamba: Architecture = {
  name: 'mamba',
  families: ['mamba', 'falcon_mamba'],
  tensors: [
    ...common,
    { theirs: 'blk.%.ssm_x.weight', ours: 'backbone.layers.%.mixer.x_proj.weight' },
    { theirs: 'blk.%.ssm_dt.weight', ours: 'backbone.layers.%.mixer.dt_proj.weight' },
    { theirs: 'blk.%.ssm_dt.bias', ours: 'backbone.layers.%.mixer.dt_proj.bias' },
    { theirs: 'blk.%.ssm_a', ours: 'backbone.layers.%.mixer.A_log', write: negExp, read: logNegative, exact: true },
    { theirs: 'blk.%.ssm_d', ours: 'backbone.layers.%.mixer.D' },
  ],
  config(header) {
    const falcon = header.metadata.get('mamba.ssm.dt_b_c_rms') === true;
    const shared = commonConfig(header, 'mamba');
    return {
      model_type: falcon ? 'falcon_mamba' : 'mamba',
      architectures: [falcon ? 'FalconMambaForCausalLM' : 'MambaForCausalLM'],
      ...shared,
      intermediate_size: number(header, 'mamba.ssm.inner_size'),
      time_step_rank: number(header, 'mamba.ssm.time_step_rank'),
      ...(falcon
        ? { mixer_rms_eps: decimal(Number(header.metadata.get('hidden_attention.mixer_rms_eps') ?? shared['layer_norm_epsilon'])) }
        : {}),
    };
  },
  metadata(model) {
    const config = model.config as Sizes;
    const falcon = model.family.name === 'falcon_mamba';
    return {
      ...commonMetadata(model, 'mamba'),
      'mamba.ssm.time_step_rank': config['timeStepRank'] as number,
      'mamba.attention.layer_norm_rms_epsilon': config['epsilon'] as number,
      'mamba.ssm.dt_b_c_rms': falcon,
      // other readers use the norms' own epsilon here
      ...(falcon ? { 'hidden_attention.mixer_rms_eps': config['mixerEpsilon'] as number } : {}),
    };
  },
};

const mamba2: Architecture = {
  name: 'mamba2',
  families: ['mamba2'],
  tensors: [
    ...common,
    { theirs: 'blk.%.ssm_dt.bias', ours: 'backbone.layers.%.mixer.dt_bias' },
    {
      theirs: 'blk.%.ssm_a',
      ours: 'backbone.layers.%.mixer.A_log',
      shape: ([heads]) => [heads!, 1],
      ourShape: flat,
      write: negExp,
      read: logNegative,
      exact: true,
    },
    { theirs: 'blk.%.ssm_d', ours: 'backbone.layers.%.mixer.D', shape: ([heads]) => [heads!, 1], ourShape: flat, exact: true },
    {
      theirs: 'blk.%.ssm_norm.weight',
      ours: 'backbone.layers.%.mixer.norm.weight',
      shape: ([d], config) => [config['groups'] as number, d! / (config['groups'] as number)],
      ourShape: flat,
      exact: true,
    },
  ],
  config(header) {
    const heads = number(header, 'mamba2.ssm.time_step_rank');
    const groups = number(header, 'mamba2.ssm.group_count');
    const inner = number(header, 'mamba2.ssm.inner_size');
    const shared = commonConfig(header, 'mamba2');
    return {
      model_type: 'mamba2',
      architectures: ['Mamba2ForCausalLM'],
      ...shared,
      expand: inner / Number(shared['hidden_size']),
      num_heads: heads,
      head_dim: inner / heads,
      n_groups: groups,
      norm_groups: groups, // readers of the format take each group by itself
    };
  },
  metadata(model) {
    const config = model.config as Sizes;
    const groups = config['groups'] as number;
    if (config['normGroups'] !== groups) refuse(`a gated norm over ${String(config['normGroups'])} groups where B and C have ${groups}`);
    const [low, high] = config['timeStepLimit'] as [number, number];
    if (low > 0 || high < Infinity) refuse(`limits of Δ (${low}, ${high})`);
    return {
      ...commonMetadata(model, 'mamba2'),
      'mamba2.ssm.time_step_rank': config['heads'] as number,
      'mamba2.ssm.group_count': groups,
      'mamba2.attention.layer_norm_rms_epsilon': config['epsilon'] as number,
    };
  },
};

/** The kinds of models that GGUF files are read and written of. */
export const architectures: readonly Architecture[] = [mamba, mamba2, gpt2, gptneox, jamba];
