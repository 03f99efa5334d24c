import * as z from '@hidden-attention/model/schema';
import { endOfSequence, headFields, headOf, parseFields, tokenFields } from '../config-fields.js';
import { ModelError } from '../errors.js';
import type { ModelConfig } from '../family.js';

/** Sizes of a GPT-2 or GPT-NeoX model. */
export interface TransformerConfig extends ModelConfig {
  family: 'gpt2' | 'gpt_neox';
  heads: number;
  /** width between the two linear layers after the attention */
  innerSize: number;
  activation: 'exact' | 'tanh';
  epsilon: number;
  /** pairs of each head's numbers that are turned by position, and the base of their angles; GPT-2 has a table of positions in their stead */
  rotary: { pairs: number; base: number } | undefined;
  /** attention and the linear layers read the same stream and are added together (GPT-J, GPT-NeoX), not one after the other */
  parallel: boolean;
  /** of q, k, v and what follows the attention */
  attentionBias: boolean;
  range: number;
}

const size = (): z.ZodNumber => z.number().int().positive();
const activations = { gelu: 'exact', gelu_new: 'tanh', gelu_pytorch_tanh: 'tanh', gelu_fast: 'tanh' } as const;
const activation = () => z.enum(['gelu', 'gelu_new', 'gelu_pytorch_tanh', 'gelu_fast']);
const shared = () => ({ initializer_range: z.number().positive().default(0.02), ...tokenFields, ...headFields });

const gpt2Schema = () =>
  z.object({
    vocab_size: size(),
    n_embd: size(),
    n_layer: size(),
    n_head: size(),
    n_positions: size().default(1024),
    n_inner: size().nullish(),
    activation_function: activation().default('gelu_new'),
    layer_norm_epsilon: z.number().positive().default(1e-5),
    scale_attn_weights: z.literal(true).default(true),
    scale_attn_by_inverse_layer_idx: z.literal(false).default(false),
    architectures: z.array(z.string()).default(['GPT2LMHeadModel']),
    ...shared(),
    tie_word_embeddings: z.boolean().default(true),
  });

/**
 * Reads a GPT-2 config.json (Hugging Face field names).
 * @throws ModelError with the field, the value seen and the value needed
 */
export function parseGpt2Config(json: unknown): TransformerConfig {
  const c = parseFields('gpt2', gpt2Schema(), json);
  checkHeads('gpt2', 'n_head', c.n_head, c.n_embd);
  return {
    family: 'gpt2',
    vocabSize: c.vocab_size,
    hiddenSize: c.n_embd,
    layers: c.n_layer,
    heads: c.n_head,
    innerSize: c.n_inner ?? 4 * c.n_embd,
    activation: activations[c.activation_function],
    epsilon: c.layer_norm_epsilon,
    maxPositions: c.n_positions,
    rotary: undefined,
    parallel: false,
    attentionBias: true,
    endOfSequence: endOfSequence(c),
    head: headOf(c, 'gpt2'),
    range: c.initializer_range,
  };
}

const neoxSchema = () =>
  z.object({
    vocab_size: size(),
    hidden_size: size(),
    num_hidden_layers: size(),
    num_attention_heads: size(),
    intermediate_size: size().optional(),
    hidden_act: activation().default('gelu'),
    rotary_pct: z.number().min(0).max(1).default(0.25),
    rotary_emb_base: z.number().positive().optional(),
    rope_theta: z.number().positive().optional(),
    rope_scaling: z.null().optional(),
    rope_parameters: z
      .object({
        rope_type: z.literal('default').default('default'),
        rope_theta: z.number().positive().optional(),
        partial_rotary_factor: z.number().min(0).max(1).optional(),
      })
      .optional(),
    layer_norm_eps: z.number().positive().default(1e-5),
    use_parallel_residual: z.boolean().default(true),
    attention_bias: z.boolean().default(true),
    architectures: z.array(z.string()).default(['GPTNeoXForCausalLM']),
    ...shared(),
    tie_word_embeddings: z.boolean().default(false),
  });

/**
 * Reads a GPT-NeoX config.json (Hugging Face field names): Pythia's, among others.
 * @throws ModelError with the field, the value seen and the value needed
 */
export function parseGptNeoxConfig(json: unknown): TransformerConfig {
  const c = parseFields('gpt_neox', neoxSchema(), json);
  const width = checkHeads('gpt_neox', 'num_attention_heads', c.num_attention_heads, c.hidden_size);
  return {
    family: 'gpt_neox',
    vocabSize: c.vocab_size,
    hiddenSize: c.hidden_size,
    layers: c.num_hidden_layers,
    heads: c.num_attention_heads,
    innerSize: c.intermediate_size ?? 4 * c.hidden_size,
    activation: activations[c.hidden_act],
    epsilon: c.layer_norm_eps,
    rotary: {
      pairs: Math.floor(Math.floor(width * (c.rope_parameters?.partial_rotary_factor ?? c.rotary_pct)) / 2),
      base: c.rope_parameters?.rope_theta ?? c.rope_theta ?? c.rotary_emb_base ?? 10000,
    },
    parallel: c.use_parallel_residual,
    attentionBias: c.attention_bias,
    endOfSequence: endOfSequence(c),
    head: headOf(c, 'gpt_neox'),
    range: c.initializer_range,
  };
}

/** Width of a head; throws ModelError where the heads do not share the width evenly. */
function checkHeads(family: string, field: string, heads: number, hidden: number): number {
  if (hidden % heads !== 0)
    throw new ModelError(`config.json of a ${family} model: ${field} is ${heads}; it must divide the hidden size, ${hidden}`);
  return hidden / heads;
}
