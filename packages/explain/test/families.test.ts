import { testFamily } from '../src/conformance.js';

const sizes = { vocab_size: 23, hidden_size: 12, num_hidden_layers: 2, state_size: 6, initializer_range: 0.5 };

testFamily({ ...sizes, model_type: 'mamba', intermediate_size: 20, time_step_rank: 3, use_bias: true });
testFamily({ ...sizes, model_type: 'falcon_mamba', intermediate_size: 20, time_step_rank: 3 });
testFamily({ ...sizes, model_type: 'mamba2', num_heads: 4, head_dim: 6, n_groups: 2, use_bias: true });
testFamily({ ...sizes, model_type: 'mamba2', num_heads: 4, head_dim: 6, n_groups: 4, norm_groups: 2, time_step_limit: [0.002, 0.05] });
