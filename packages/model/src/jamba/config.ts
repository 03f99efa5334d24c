import * as z from '@hidden-attention/model/schema';
import { endOfSequence, headFields, headOf, parseFields, tokenFields } from '../config-fields.js';
import { ModelError } from '../errors.js';
import type { MambaSizes } from '../mamba/config.js';

/** A hybrid: a list of layers, each a Mamba mixer or softmax attention, each with a gated linear unit behind it. */
export interface JambaConfig extends MambaSizes {
  kinds: readonly ('scan' | 'softmax')[];
  heads: number;
  /** heads of keys and values; each serves heads/keyHeads heads of queries */
  keyHeads: number;
  feedForwardSize: number;
}

const size = (): z.ZodNumber => z.number().int().positive();
const schema = () =>
  z.object({
    vocab_size: size(),
    hidden_size: size(),
    intermediate_size: size(),
    num_hidden_layers: size(),
    num_attention_heads: size(),
    num_key_value_heads: size().optional(),
    attn_layer_period: size().default(8),
    attn_layer_offset: z.number().int().min(0).default(4),
    num_experts: z.literal(1, 'mixtures of experts are not supported; 1 is').default(1),
    hidden_act: z.literal('silu').default('silu'),
    rms_norm_eps: z.number().positive().default(1e-6),
    mamba_d_state: size().default(16),
    mamba_d_conv: size().default(4),
    mamba_expand: z.number().positive().default(2),
    mamba_dt_rank: z.union([size(), z.literal('auto')]).default('auto'),
    mamba_conv_bias: z.boolean().default(true),
    mamba_proj_bias: z.boolean().default(false),
    initializer_range: z.number().positive().default(0.02),
    tie_word_embeddings: z.boolean().default(false),
    architectures: z.array(z.string()).default(['JambaForCausalLM']),
    ...tokenFields,
    ...headFields,
  });

/**
 * Reads a Jamba config.json (Hugging Face field names), of models without mixtures of experts. Layer k is attention where
 * k mod attn_layer_period is attn_layer_offset.
 * @throws ModelError with the field, the value seen and the value needed
 */
export function parseJambaConfig(json: unknown): JambaConfig {
  const c = parseFields('jamba', schema(), json);
  const keyHeads = c.num_key_value_heads ?? c.num_attention_heads;
  const refuse = (field: string, seen: number, needed: string): never => {
    throw new ModelError(`config.json of a jamba model: ${field} is ${seen}; ${needed}`);
  };
  if (c.hidden_size % c.num_attention_heads !== 0)
    refuse('num_attention_heads', c.num_attention_heads, `it must divide the hidden size, ${c.hidden_size}`);
  if (c.num_attention_heads % keyHeads !== 0)
    refuse('num_key_value_heads', keyHeads, `it must divide num_attention_heads, ${c.num_attention_heads}`);
  if (c.attn_layer_offset >= c.attn_layer_period)
    refuse('attn_layer_offset', c.attn_layer_offset, `it must be below attn_layer_period, ${c.attn_layer_period}`);
  return {
    family: 'jamba',
    vocabSize: c.vocab_size,
    hiddenSize: c.hidden_size,
    layers: c.num_hidden_layers,
    kinds: Array.from({ length: c.num_hidden_layers }, (_, k) => (k % c.attn_layer_period === c.attn_layer_offset ? 'softmax' : 'scan')),
    heads: c.num_attention_heads,
    keyHeads,
    feedForwardSize: c.intermediate_size,
    innerSize: Math.floor(c.mamba_expand * c.hidden_size),
    stateSize: c.mamba_d_state,
    timeStepRank: c.mamba_dt_rank === 'auto' ? Math.ceil(c.hidden_size / 16) : c.mamba_dt_rank,
    convKernel: c.mamba_d_conv,
    useBias: c.mamba_proj_bias,
    useConvBias: c.mamba_conv_bias,
    epsilon: c.rms_norm_eps,
    mixerEpsilon: c.rms_norm_eps,
    endOfSequence: endOfSequence(c),
    head: headOf(c, 'jamba'),
    initialization: { range: c.initializer_range, timeStepMin: 0.001, timeStepMax: 0.1, timeStepFloor: 1e-4, rescaleResidual: false },
  };
}
