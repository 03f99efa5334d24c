import {
  decimal,
  headConfig,
  logNegative,
  negExp,
  number,
  refuse,
  value,
  type Architecture,
  type Correspondence,
  type Sizes,
} from './correspondence.js';
import { ContentError } from '../file-reading.js';

/** The file's names of a layer's parameters, and ours. */
const weights: Readonly<Record<string, string>> = {
  attn_norm: 'input_layernorm',
  ffn_norm: 'pre_ff_layernorm',
  ffn_gate: 'feed_forward.gate_proj',
  ffn_up: 'feed_forward.up_proj',
  ffn_down: 'feed_forward.down_proj',
  attn_q: 'self_attn.q_proj',
  attn_k: 'self_attn.k_proj',
  attn_v: 'self_attn.v_proj',
  attn_output: 'self_attn.o_proj',
  ssm_in: 'mamba.in_proj',
  ssm_x: 'mamba.x_proj',
  ssm_dt: 'mamba.dt_proj',
  ssm_out: 'mamba.out_proj',
  ssm_dt_norm: 'mamba.dt_layernorm',
  ssm_b_norm: 'mamba.b_layernorm',
  ssm_c_norm: 'mamba.c_layernorm',
};

/** Jamba without experts: layers without heads of keys are Mamba's. */
export const jamba: Architecture = {
  name: 'jamba',
  families: ['jamba'],
  tensors: [
    { theirs: 'token_embd.weight', ours: 'model.embed_tokens.weight' },
    { theirs: 'output_norm.weight', ours: 'model.final_layernorm.weight' },
    { theirs: 'output.weight', ours: 'lm_head.weight' },
    ...Object.entries(weights).map(([theirs, ours]): Correspondence => ({
      theirs: `blk.%.${theirs}.weight`,
      ours: `model.layers.%.${ours}.weight`,
    })),
    {
      theirs: 'blk.%.ssm_conv1d.weight',
      ours: 'model.layers.%.mamba.conv1d.weight',
      shape: ([d, , k]) => [d!, k!],
      ourShape: ([d, k]) => [d!, 1, k!],
      exact: true,
    },
    { theirs: 'blk.%.ssm_conv1d.bias', ours: 'model.layers.%.mamba.conv1d.bias' },
    { theirs: 'blk.%.ssm_dt.bias', ours: 'model.layers.%.mamba.dt_proj.bias' },
    { theirs: 'blk.%.ssm_a', ours: 'model.layers.%.mamba.A_log', write: negExp, read: logNegative, exact: true },
    { theirs: 'blk.%.ssm_d', ours: 'model.layers.%.mamba.D' },
  ],
  config(header) {
    const list = value(header, 'jamba.attention.head_count_kv');
    if (typeof list !== 'object') throw new ContentError('jamba.attention.head_count_kv of its metadata is no list');
    const keyHeads = Array.from(list as ArrayLike<unknown>, Number);
    if (Number(header.metadata.get('jamba.expert_count') ?? 0) > 0)
      throw new ContentError('it is a mixture of experts; models without are read');
    const layers = number(header, 'jamba.block_count');
    const attention = keyHeads.flatMap((heads, layer) => (heads > 0 ? [layer] : []));
    const [offset = layers] = attention;
    const period = attention.length > 1 ? attention[1]! - offset : layers + 1;
    if (attention.some((layer, i) => layer !== offset + i * period) || offset + attention.length * period < layers)
      throw new ContentError(`its attention layers, ${attention.join(', ')} of ${layers}, are not one in every few`);
    const hidden = number(header, 'jamba.embedding_length');
    return {
      model_type: 'jamba',
      architectures: ['JambaForCausalLM'],
      ...headConfig(header),
      hidden_size: hidden,
      intermediate_size: number(header, 'jamba.feed_forward_length'),
      num_hidden_layers: layers,
      num_attention_heads: number(header, 'jamba.attention.head_count'),
      num_key_value_heads: keyHeads[offset] ?? number(header, 'jamba.attention.head_count'),
      attn_layer_period: period,
      attn_layer_offset: offset,
      num_experts: 1,
      mamba_d_state: number(header, 'jamba.ssm.state_size'),
      mamba_d_conv: number(header, 'jamba.ssm.conv_kernel'),
      mamba_expand: number(header, 'jamba.ssm.inner_size') / hidden,
      mamba_dt_rank: number(header, 'jamba.ssm.time_step_rank'),
      mamba_conv_bias: true,
      mamba_proj_bias: false,
      rms_norm_eps: decimal(number(header, 'jamba.attention.layer_norm_rms_epsilon')),
    };
  },
  metadata(model) {
    const config = model.config as Sizes & { kinds: readonly string[] };
    if (config.head.kind === 'classifier') refuse("a classifier's head");
    if (config['useBias'] === true) refuse('biases of in_proj and out_proj');
    if (config['useConvBias'] === false) refuse('a convolution without bias');
    const of = (name: string): number => config[name] as number;
    return {
      'jamba.context_length': 2 ** 20,
      'jamba.embedding_length': config.hiddenSize,
      'jamba.feed_forward_length': of('feedForwardSize'),
      'jamba.block_count': config.layers,
      'jamba.attention.head_count': of('heads'),
      'jamba.attention.head_count_kv': config.kinds.map((kind) => (kind === 'softmax' ? of('keyHeads') : 0)),
      'jamba.attention.layer_norm_rms_epsilon': of('epsilon'),
      'jamba.ssm.conv_kernel': of('convKernel'),
      'jamba.ssm.inner_size': of('innerSize'),
      'jamba.ssm.state_size': of('stateSize'),
      'jamba.ssm.time_step_rank': of('timeStepRank'),
    };
  },
};
