import { testFamily } from '../src/conformance.js';

const sizes = { vocab_size: 23, hidden_size: 12, num_hidden_layers: 2, state_size: 6, initializer_range: 0.5 };

testFamily({ ...sizes, model_type: 'mamba', intermediate_size: 20, time_step_rank: 3, use_bias: true });
testFamily({ ...sizes, model_type: 'falcon_mamba', intermediate_size: 20, time_step_rank: 3 });
testFamily({ ...sizes, model_type: 'mamba2', num_heads: 4, head_dim: 6, n_groups: 2, use_bias: true });
testFamily({ ...sizes, model_type: 'mamba2', num_heads: 4, head_dim: 6, n_groups: 4, norm_groups: 2, time_step_limit: [0.002, 0.05] });
const transformer = { vocab_size: 24, hidden_size: 24, num_hidden_layers: 3, num_attention_heads: 4, initializer_range: 0.15 };
testFamily({ model_type: 'gpt2', vocab_size: 24, n_embd: 24, n_layer: 3, n_head: 4, n_positions: 40, initializer_range: 0.15 });
testFamily({ ...transformer, model_type: 'gpt_neox', rotary_pct: 0.6 });
testFamily({
  ...transformer,
  model_type: 'gpt_neox',
  use_parallel_residual: false,
  attention_bias: false,
  rotary_pct: 1,
  hidden_act: 'gelu_new',
});
testFamily({
  ...transformer,
  model_type: 'jamba',
  num_key_value_heads: 2,
  intermediate_size: 20,
  attn_layer_period: 2,
  attn_layer_offset: 1,
  mamba_d_state: 5,
  mamba_dt_rank: 3,
  mamba_proj_bias: true,
});
const images = { img_size: 12, patch_size: 4, embed_dim: 12, depth: 2, num_classes: 3 };
testFamily({ ...images, model_type: 'vim', d_state: 5, dt_rank: 3, bias: true });
testFamily({ ...images, model_type: 'vim', d_state: 3, cls_token_position: 'ends', stride: 2, if_divide_out: false });
testFamily({ ...images, model_type: 'vim', if_cls_token: false, img_size: [8, 12] });
testFamily({ ...images, model_type: 'vim', bimamba_type: 'none', cls_token_position: 'last', d_state: 3 });
testFamily({ ...images, model_type: 'vim2', headdim: 6, d_state: 5, ngroups: 2, bias: true });
testFamily({ ...images, model_type: 'vim2', headdim: 12, d_state: 5, cls_token_position: 'none' });
testFamily({ ...images, model_type: 'vit', num_heads: 3 });
testFamily({ ...images, model_type: 'vit', num_heads: 2, qkv_bias: false, cls_token_position: 'none' });
testFamily({ ...images, model_type: 'vit', num_heads: 3, is_causal: true });
