import { z } from 'zod';
import { ModelError } from '../errors.js';
import type { Head, ModelConfig } from '../family.js';

/** Sizes of a Mamba-1 model (math.md section 1). */
export interface MambaConfig extends ModelConfig {
  family: 'mamba';
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
  /** how fresh parameters are drawn */
  initialization: { range: number; timeStepMin: number; timeStepMax: number; timeStepFloor: number; rescaleResidual: boolean };
}

const size = z.number().int().positive();
const schema = z.object({
  vocab_size: size,
  hidden_size: size,
  state_size: size.default(16),
  num_hidden_layers: size,
  layer_norm_epsilon: z.number().positive().default(1e-5),
  expand: z.number().positive().default(2),
  intermediate_size: size.optional(),
  conv_kernel: size.default(4),
  use_bias: z.boolean().default(false),
  use_conv_bias: z.boolean().default(true),
  hidden_act: z.literal('silu').default('silu'),
  time_step_rank: z.union([size, z.literal('auto')]).default('auto'),
  initializer_range: z.number().positive().default(0.02),
  time_step_min: z.number().positive().default(0.001),
  time_step_max: z.number().positive().default(0.1),
  time_step_floor: z.number().positive().default(1e-4),
  rescale_prenorm_residual: z.boolean().default(true),
  tie_word_embeddings: z.boolean().default(true),
  eos_token_id: z.union([z.number().int(), z.array(z.number().int())]).nullish(),
  architectures: z.array(z.string()).default(['MambaForCausalLM']),
  pooling: z.enum(['mean', 'last']).default('last'),
  num_labels: size.optional(),
  id2label: z.record(z.string(), z.string()).optional(),
});

/**
 * Reads a Mamba config.json (Hugging Face field names; a stored `intermediate_size` overrides `expand`).
 * @throws ModelError with the field, the value seen and the value needed
 */
export function parseMambaConfig(json: unknown): MambaConfig {
  const parsed = schema.safeParse(json);
  if (!parsed.success) {
    const issues = parsed.error.issues.map(
      (issue) => `${issue.path.join('.') || 'config'} is ${JSON.stringify(valueAt(json, issue.path))}: ${issue.message}`,
    );
    throw new ModelError(`config.json of a mamba model: ${issues.join('; ')}`);
  }
  const c = parsed.data;
  return {
    family: 'mamba',
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
    endOfSequence: c.eos_token_id == null ? [] : [c.eos_token_id].flat(),
    head: headOf(c),
    initialization: {
      range: c.initializer_range,
      timeStepMin: c.time_step_min,
      timeStepMax: c.time_step_max,
      timeStepFloor: c.time_step_floor,
      rescaleResidual: c.rescale_prenorm_residual,
    },
  };
}

function headOf(c: z.infer<typeof schema>): Head {
  if (!c.architectures.includes('MambaForSequenceClassification')) return { kind: 'language-model', tied: c.tie_word_embeddings };
  const classes = c.num_labels ?? Object.keys(c.id2label ?? {}).length;
  if (classes < 2) throw new ModelError(`config.json of a mamba classifier: id2label names ${classes} classes; at least 2 are needed`);
  const labels = Array.from({ length: classes }, (_, id) => c.id2label?.[id] ?? `LABEL_${id}`);
  return { kind: 'classifier', classes, pooling: c.pooling, labels };
}

function valueAt(json: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((value, key) => (value as Record<PropertyKey, unknown> | undefined)?.[key], json);
}
