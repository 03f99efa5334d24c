import * as z from '@hidden-attention/model/schema';
import { CheckpointError } from './errors.js';

/** Whether a config.json is in the layout in which Mamba's authors publish their models (state-spaces). */
export const isOriginal = (json: Readonly<Record<string, unknown>>): boolean =>
  !('model_type' in json) && 'd_model' in json && 'n_layer' in json;

const size = (): z.ZodNumber => z.number().int().positive();
const positive = (): z.ZodNumber => z.number().positive();

/** What both kinds of block take; the defaults are those of their code. */
const block = () => ({
  d_conv: size().default(4),
  expand: positive().default(2),
  bias: z.boolean().default(false),
  conv_bias: z.boolean().default(true),
  dt_min: positive().default(0.001),
  dt_max: positive().default(0.1),
  dt_init_floor: positive().default(1e-4),
});
const mamba1 = () =>
  z.object({
    ...block(),
    layer: z.literal('Mamba1').optional(),
    d_state: size().default(16),
    dt_rank: z.union([size(), z.literal('auto')]).default('auto'),
  });
const mamba2 = () =>
  z.object({
    ...block(),
    layer: z.literal('Mamba2'),
    d_state: size().default(128),
    headdim: size().default(64),
    ngroups: size().default(1),
    chunk_size: size().default(256),
    dt_limit: z.tuple([z.number(), z.union([z.number(), z.literal(Infinity)])]).default([0, Infinity]),
    // variants of the block that no published model uses
    d_ssm: z.null().optional(),
    D_has_hdim: z.literal(false).optional(),
    rmsnorm: z.literal(true).optional(),
    norm_before_gate: z.literal(false).optional(),
  });
const schema = () =>
  z.object({
    d_model: size(),
    n_layer: size(),
    vocab_size: size(),
    ssm_cfg: z
      .record(z.string(), z.unknown())
      .nullish()
      .transform((ssm) => ssm ?? {}),
    rms_norm: z.literal(true, { error: 'models with a layer norm are not read' }).default(true),
    pad_vocab_size_multiple: size().default(8),
    tie_embeddings: z.boolean().default(true),
    d_intermediate: z.literal(0, { error: 'models with MLPs between the blocks are not read' }).default(0),
    attn_layer_idx: z.array(z.unknown()).max(0, 'models with attention layers in this layout are not read').default([]),
  });

/**
 * A config.json of state-spaces/mamba in Hugging Face's fields. Its vocabulary is rounded up to a multiple of
 * `pad_vocab_size_multiple`, as its weights are; it has no epsilon: their code's default, 1e-5, applies.
 * @throws CheckpointError for fields that do not fit, and for what no family here has: attention layers, MLPs between the
 * blocks, a layer norm
 */
export function fromOriginal(path: string, json: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const c = parsed(path, '', schema(), json);
  const multiple = c.pad_vocab_size_multiple;
  const common = {
    vocab_size: Math.ceil(c.vocab_size / multiple) * multiple,
    hidden_size: c.d_model,
    num_hidden_layers: c.n_layer,
    layer_norm_epsilon: 1e-5,
    tie_word_embeddings: c.tie_embeddings,
  };
  const layer = c.ssm_cfg['layer'] ?? 'Mamba1';
  if (layer === 'Mamba1') {
    const ssm = parsed(path, 'ssm_cfg.', mamba1(), c.ssm_cfg);
    return {
      model_type: 'mamba',
      architectures: ['MambaForCausalLM'],
      ...common,
      ...blockFields(ssm),
      state_size: ssm.d_state,
      time_step_rank: ssm.dt_rank,
    };
  }
  if (layer !== 'Mamba2') throw new CheckpointError(`${path}: ssm_cfg.layer is ${JSON.stringify(layer)}; Mamba1 and Mamba2 are known`);
  const ssm = parsed(path, 'ssm_cfg.', mamba2(), c.ssm_cfg);
  return {
    model_type: 'mamba2',
    architectures: ['Mamba2ForCausalLM'],
    ...common,
    ...blockFields(ssm),
    state_size: ssm.d_state,
    head_dim: ssm.headdim,
    num_heads: Math.floor(ssm.expand * c.d_model) / ssm.headdim,
    n_groups: ssm.ngroups,
    norm_groups: ssm.ngroups, // their gated norm takes each group by itself
    chunk_size: ssm.chunk_size,
    time_step_limit: ssm.dt_limit,
  };
}

const blockFields = (ssm: z.infer<ReturnType<typeof mamba1>> | z.infer<ReturnType<typeof mamba2>>): Record<string, unknown> => ({
  conv_kernel: ssm.d_conv,
  expand: ssm.expand,
  use_bias: ssm.bias,
  use_conv_bias: ssm.conv_bias,
  time_step_min: ssm.dt_min,
  time_step_max: ssm.dt_max,
  time_step_floor: ssm.dt_init_floor,
});

/** The fields of `json` by `fields`; every one that does not fit is named in the error. */
function parsed<S extends z.ZodType>(path: string, prefix: string, fields: S, json: Readonly<Record<string, unknown>>): z.infer<S> {
  const result = fields.safeParse(json);
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => {
    const field = String(issue.path[0]);
    return `${prefix}${field} is ${JSON.stringify(json[field])}; ${issue.message}`;
  });
  throw new CheckpointError(`${path}: ${problems.join('; ')}`);
}
