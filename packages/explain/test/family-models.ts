// A small random model of every family, with every bias at work, and something for it to read.
import type { Model } from '@hidden-attention/model';
import type { ExplainRequest, ImageInput } from '../src/index.js';
import { randomIds, smallModel } from './models.js';

const image: ImageInput = { pixels: Float32Array.from({ length: 432 }, (_, at) => Math.sin(at * at)), shape: [3, 12, 12] };
const text = (model: Model): ExplainRequest['input'] => [randomIds(5, 17, model.config.vocabSize)];
const heads = { num_attention_heads: 2, vocab_size: 60, hidden_size: 12, initializer_range: 0.3 };
const vision = { img_size: 12, patch_size: 4, embed_dim: 12, depth: 3, num_classes: 3, initializer_range: 0.3 };

/** By `model_type`. */
export const families: readonly [name: string, model: Model, input: ExplainRequest['input']][] = (
  [
    ['mamba', smallModel()],
    ['falcon_mamba', smallModel({ model_type: 'falcon_mamba' })],
    ['mamba2', smallModel({ model_type: 'mamba2', num_heads: 4, head_dim: 6, n_groups: 2, vocab_size: 60 })],
    ['vim', smallModel({ ...vision, model_type: 'vim', d_state: 5, dt_rank: 3, bias: true })],
    ['vim2', smallModel({ ...vision, model_type: 'vim2', headdim: 6, d_state: 5, bias: true })],
    [
      'gpt2',
      smallModel({ model_type: 'gpt2', vocab_size: 60, n_embd: 12, n_layer: 3, n_head: 3, n_positions: 40, initializer_range: 0.3 }),
    ],
    ['gpt_neox', smallModel({ ...heads, model_type: 'gpt_neox' })],
    [
      'jamba',
      smallModel({
        ...heads,
        model_type: 'jamba',
        intermediate_size: 16,
        attn_layer_period: 2,
        attn_layer_offset: 1,
        mamba_proj_bias: true,
      }),
    ],
    ['vit', smallModel({ ...vision, model_type: 'vit', num_heads: 3 })],
  ] as [string, Model][]
).map(([name, model]) => [name, model, model.family.images ? { images: [image] } : text(model)]);
