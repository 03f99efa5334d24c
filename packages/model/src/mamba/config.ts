import * as z from '@hidden-attention/model/schema';
import { endOfSequence, headFields, headOf, parseFields, tokenFields } from '../config-fields.js';
import type { ModelConfig } from '../family.js';

/** Sizes of a Mamba-1 mixer (math.md section 1). */
export interface MambaSizes extends ModelConfig {
  /** D, the inner width */
  innerSize: number;
  /** N */
  stateSize: number;
  /** R, rank of Δ's projection */
  timeStepRank: number;
  /** K, width of the convolution */
  convKernel: number;
  /** biases of in_proj and out_proj; of the convolution */
  useBias: boolean;
  useConvBias: boolean;
  /** of the norms */
  epsilon: number;
  /** of the norms on Δr, B and C that Falcon-Mamba and Jamba have */
  mixerEpsilon?: number;
  /** how fresh parameters are drawn */
  initialization: { range: number; timeStepMin: number; timeStepMax: number; timeStepFloor: number; rescaleResidual: boolean };
}

/** A Mamba-1 or Falcon-Mamba model. */
export interface MambaConfig extends MambaSizes {
  family: 'mamba' | 'falcon_mamba';
}

const size = (): z.ZodNumber => z.number().int().positive();
const fields = () => ({
  vocab_size: size(),
  hidden_size: size(),
  state_size: size().default(16),
  num_hidden_layers: size(),
  layer_norm_epsilon: z.number().positive().default(1e-5),
  expand: z.number().positive().default(2),
  intermediate_size: size().optional(),
  conv_kernel: size().default(4),
  use_bias: z.boolean().default(false),
  use_conv_bias: z.boolean().default(true),
  hidden_act: z.literal('silu').default('silu'),
  time_step_rank: z.union([size(), z.literal('auto')]).default('auto'),
  initializer_range: z.number().positive().default(0.02),
  time_step_min: z.number().positive().default(0.001),
  time_step_max: z.number().positive().default(0.1),
  time_step_floor: z.number().positive().default(1e-4),
  rescale_prenorm_residual: z.boolean().default(true),
  tie_word_embeddings: z.boolean().default(true),
  architectures: z.array(z.string()).default(['MambaForCausalLM']),
  ...tokenFields,
  ...headFields,
});
const schema = () => z.object(fields());
const falconSchema = () =>
  z.object({
    ...fields(),
    mixer_rms_eps: z.number().positive().default(1e-6),
    tie_word_embeddings: z.boolean().default(false),
    architectures: z.array(z.string()).default(['FalconMambaForCausalLM']),
  });

/**
 * Reads a Mamba config.json (Hugging Face field names; a stored `intermediate_size` overrides `expand`).
 * @throws ModelError with the field, the value seen and the value needed
 */
export function parseMambaConfig(json: unknown): MambaConfig {
  return configOf(parseFields('mamba', schema(), json), 'mamba');
}

/** The same of Falcon-Mamba, whose norms on Δr, B and C have an epsilon of their own. */
export function parseFalconMambaConfig(json: unknown): MambaConfig {
  const parsed = parseFields('falcon_mamba', falconSchema(), json);
  return { ...configOf(parsed, 'falcon_mamba'), mixerEpsilon: parsed.mixer_rms_eps };
}

function configOf(c: z.infer<ReturnType<typeof schema>>, family: MambaConfig['family']): MambaConfig {
  return {
    family,
    vocabSize: c.vocab_size,
    hiddenSize: c.hidden_size,
    layers: c.num_hidden_layers,
    innerSize: c.intermediate_size ?? Math.floor(c.expand * c.hidden_size),
    stateSize: c.state_size,
    timeStepRank: c.time_step_rank === 'auto' ? Math.ceil(c.hidden_size / 16) : c.time_step_rank,
    convKernel: c.conv_kernel,
    useBias: c.use_bias,
    useConvBias: c.use_conv_bias,
    epsilon: c.layer_norm_epsilon,
    endOfSequence: endOfSequence(c),
    head: headOf(c, family),
    initialization: {
      range: c.initializer_range,
      timeStepMin: c.time_step_min,
      timeStepMax: c.time_step_max,
      timeStepFloor: c.time_step_floor,
      rescaleResidual: c.rescale_prenorm_residual,
    },
  };
}
