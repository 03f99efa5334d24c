import { CheckpointError } from './errors.js';

/** Fields by which the layout in which Mamba's authors publish their models (state-spaces) is known. */
export const isOriginal = (json: Readonly<Record<string, unknown>>): boolean =>
  !('model_type' in json) && 'd_model' in json && 'n_layer' in json;

/**
 * A config.json of state-spaces/mamba in Hugging Face's fields. Its vocabulary is rounded up to a multiple of
 * `pad_vocab_size_multiple`, as its weights are; it has no epsilon: their code's default, 1e-5, applies.
 * @throws CheckpointError for what no family here has: attention layers, gated MLPs between the blocks, a layer norm
 */
export function fromOriginal(path: string, json: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const ssm = (json['ssm_cfg'] ?? {}) as Record<string, unknown>;
  const refuse = (field: string, value: unknown, needed: string): never => {
    throw new CheckpointError(`${path}: ${field} is ${JSON.stringify(value)}; ${needed}`);
  };
  const attention = json['attn_layer_idx'];
  if (Array.isArray(attention) && attention.length > 0)
    refuse('attn_layer_idx', attention, 'models with attention layers in this layout are not read');
  if (Number(json['d_intermediate'] ?? 0) > 0)
    refuse('d_intermediate', json['d_intermediate'], 'models with MLPs between the blocks are not read');
  if (json['rms_norm'] === false) refuse('rms_norm', false, 'models with a layer norm are not read');
  const layer = ssm['layer'] ?? 'Mamba1';
  const width = Number(json['d_model']);
  const multiple = Number(json['pad_vocab_size_multiple'] ?? 8);
  const common = {
    vocab_size: Math.ceil(Number(json['vocab_size']) / multiple) * multiple,
    hidden_size: width,
    num_hidden_layers: json['n_layer'],
    layer_norm_epsilon: 1e-5,
    tie_word_embeddings: json['tie_embeddings'] ?? true,
    conv_kernel: ssm['d_conv'] ?? 4,
    expand: ssm['expand'] ?? 2,
    use_bias: ssm['bias'] ?? false,
    use_conv_bias: ssm['conv_bias'] ?? true,
    time_step_min: ssm['dt_min'] ?? 0.001,
    time_step_max: ssm['dt_max'] ?? 0.1,
    time_step_floor: ssm['dt_init_floor'] ?? 1e-4,
  };
  if (layer === 'Mamba1')
    return {
      ...common,
      model_type: 'mamba',
      architectures: ['MambaForCausalLM'],
      state_size: ssm['d_state'] ?? 16,
      time_step_rank: ssm['dt_rank'] ?? 'auto',
    };
  if (layer !== 'Mamba2') refuse('ssm_cfg.layer', layer, 'Mamba1 and Mamba2 are known');
  const headSize = Number(ssm['headdim'] ?? 64);
  const groups = ssm['ngroups'] ?? 1;
  return {
    ...common,
    model_type: 'mamba2',
    architectures: ['Mamba2ForCausalLM'],
    state_size: ssm['d_state'] ?? 128,
    head_dim: headSize,
    num_heads: Math.floor(Number(common.expand) * width) / headSize,
    n_groups: groups,
    norm_groups: groups, // their gated norm takes each group by itself
    chunk_size: ssm['chunk_size'] ?? 256,
    time_step_limit: ssm['dt_limit'] ?? [0, Infinity],
  };
}
