import * as z from '@hidden-attention/model/schema';
import { endOfSequence, headFields, headOf, parseFields, tokenFields } from '../config-fields.js';
import { ModelError } from '../errors.js';
import type { ModelConfig } from '../family.js';

/** Sizes of a Mamba-2 mixer (math.md section 4). */
export interface Mamba2Sizes extends ModelConfig {
  /** d, the inner width: heads · headSize */
  innerSize: number;
  heads: number;
  headSize: number;
  /** number of B and C a position; head h uses group ⌊h / (heads / groups)⌋ */
  groups: number;
  stateSize: number;
  convKernel: number;
  /** Δ is clamped to these after its softplus */
  timeStepLimit: readonly [low: number, high: number];
  /** slices of the inner width that the gated norm takes each by itself: 1 (Hugging Face), or `groups` (state-spaces) */
  normGroups: number;
  useBias: boolean;
  useConvBias: boolean;
  epsilon: number;
  initialization: { range: number; timeStepMin: number; timeStepMax: number; timeStepFloor: number; rescaleResidual: boolean };
}

/** A Mamba-2 model. */
export interface Mamba2Config extends Mamba2Sizes {
  family: 'mamba2';
}

const size = (): z.ZodNumber => z.number().int().positive();
const schema = () =>
  z.object({
    vocab_size: size(),
    hidden_size: size(),
    num_hidden_layers: size(),
    num_heads: size(),
    head_dim: size().default(64),
    n_groups: size().default(8),
    norm_groups: size().default(1),
    state_size: size().default(128),
    expand: z.number().positive().default(2),
    conv_kernel: size().default(4),
    layer_norm_epsilon: z.number().positive().default(1e-5),
    use_bias: z.boolean().default(false),
    use_conv_bias: z.boolean().default(true),
    hidden_act: z.literal('silu').default('silu'),
    initializer_range: z.number().positive().default(0.1),
    time_step_min: z.number().positive().default(0.001),
    time_step_max: z.number().positive().default(0.1),
    time_step_floor: z.number().positive().default(1e-4),
    time_step_limit: z.tuple([z.number().min(0), z.union([z.number(), z.literal(Infinity)])]).default([0, Infinity]),
    rescale_prenorm_residual: z.boolean().default(false),
    tie_word_embeddings: z.boolean().default(false),
    architectures: z.array(z.string()).default(['Mamba2ForCausalLM']),
    ...tokenFields,
    ...headFields,
  });

/**
 * Reads a Mamba-2 config.json (Hugging Face field names). `norm_groups`, which theirs does not have, chooses the gated norm.
 * @throws ModelError with the field, the value seen and the value needed
 */
export function parseMamba2Config(json: unknown): Mamba2Config {
  const c = parseFields('mamba2', schema(), json);
  const innerSize = c.num_heads * c.head_dim;
  const refuse = (field: string, seen: unknown, needed: string): never => {
    throw new ModelError(`config.json of a mamba2 model: ${field} is ${JSON.stringify(seen)}; ${needed}`);
  };
  if (innerSize !== Math.floor(c.expand * c.hidden_size))
    refuse('num_heads', c.num_heads, `num_heads · head_dim (${innerSize}) must be expand · hidden_size (${c.expand * c.hidden_size})`);
  if (c.num_heads % c.n_groups !== 0) refuse('n_groups', c.n_groups, `it must divide num_heads, ${c.num_heads}`);
  if (innerSize % c.norm_groups !== 0) refuse('norm_groups', c.norm_groups, `it must divide the inner width, ${innerSize}`);
  const [low, high] = c.time_step_limit;
  if (!(high > low)) refuse('time_step_limit', c.time_step_limit, 'its second number must be larger than its first');
  return {
    family: 'mamba2',
    vocabSize: c.vocab_size,
    hiddenSize: c.hidden_size,
    layers: c.num_hidden_layers,
    innerSize,
    heads: c.num_heads,
    headSize: c.head_dim,
    groups: c.n_groups,
    stateSize: c.state_size,
    convKernel: c.conv_kernel,
    timeStepLimit: [low, high],
    normGroups: c.norm_groups,
    useBias: c.use_bias,
    useConvBias: c.use_conv_bias,
    epsilon: c.layer_norm_epsilon,
    endOfSequence: endOfSequence(c),
    head: headOf(c, 'mamba2'),
    initialization: {
      range: c.initializer_range,
      timeStepMin: c.time_step_min,
      timeStepMax: c.time_step_max,
      timeStepFloor: c.time_step_floor,
      rescaleResidual: c.rescale_prenorm_residual,
    },
  };
}
