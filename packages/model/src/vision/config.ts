import * as z from '@hidden-attention/model/schema';
import { parseFields } from '../config-fields.js';
import { ModelError } from '../errors.js';
import type { Head, ModelConfig } from '../family.js';
import type { MambaSizes } from '../mamba/config.js';
import type { Mamba2Sizes } from '../mamba2/config.js';

/** Where the tokens stand that an answer is read from: before all patches, between them, behind them, one at either end; or none. */
export type ClassToken = 'first' | 'middle' | 'last' | 'ends' | 'none';

/** What models that read images have. */
export interface VisionConfig extends ModelConfig {
  /** height and width that the model was made for; others are read with its positions interpolated */
  imageSize: readonly [height: number, width: number];
  channels: number;
  patchSize: number;
  /** pixels from one patch to the next: below patchSize they overlap */
  stride: number;
  classToken: ClassToken;
  epsilon: number;
}

/** A Vision Mamba: a Mamba-1 mixer forwards and one backwards in every block. */
export interface VimConfig extends VisionConfig, MambaSizes {
  epsilon: number;
  /** whether there is the forward one only, and its blocks are Mamba's own */
  causal: boolean;
  /** whether the sum of both directions is halved */
  halved: boolean;
}

/** Blocks of Mamba-2 that read patches forwards. */
export interface Vim2Config extends VisionConfig, Mamba2Sizes {
  epsilon: number;
}

/** A vision transformer. */
export interface VitConfig extends VisionConfig {
  heads: number;
  innerSize: number;
  qkvBias: boolean;
  /** whether a position sees itself and those before it only */
  causal: boolean;
  /** deviation of fresh weights */
  range: number;
}

const size = (): z.ZodNumber => z.number().int().positive();
const shared = () => ({
  img_size: z.union([size(), z.tuple([size(), size()])]).default(224),
  patch_size: size().default(16),
  stride: size().optional(),
  in_channels: size().default(3),
  in_chans: size().optional(),
  embed_dim: size(),
  depth: size(),
  num_classes: z.number().int().min(2).default(1000),
  id2label: z.record(z.string(), z.string()).optional(),
  cls_token_position: z.enum(['first', 'middle', 'last', 'ends', 'none']).optional(),
});

const vimSchema = () =>
  z.object({
    ...shared(),
    d_state: size().default(16),
    d_conv: size().default(4),
    expand: z.number().positive().default(2),
    dt_rank: z.union([size(), z.literal('auto')]).default('auto'),
    rms_norm: z.literal(true, 'only the models with an RMS norm are known; true is').default(true),
    norm_epsilon: z.number().positive().default(1e-5),
    bimamba_type: z.enum(['v2', 'none'], 'v2, the block of the published models, or none, a causal Mamba, is needed').default('v2'),
    if_cls_token: z.boolean().default(true),
    use_middle_cls_token: z.boolean().default(true),
    use_double_cls_token: z.boolean().default(false),
    if_abs_pos_embed: z.literal(true, 'models without position embeddings are not known; true is').default(true),
    if_divide_out: z.boolean().optional(),
    if_devide_out: z.boolean().optional(),
    conv_bias: z.boolean().default(true),
    bias: z.boolean().default(false),
  });

/**
 * Reads a Vision Mamba config.json: the arguments of the published model's class, under their names. `cls_token_position` (first,
 * middle, last, ends, none), which theirs does not have, overrides the flags for class tokens. With `bimamba_type: "none"` blocks read forwards only.
 * @throws ModelError with the field, the value seen and the value needed
 */
export function parseVimConfig(json: unknown): VimConfig {
  const c = parseFields('vim', vimSchema(), json);
  const flagged = !c.if_cls_token ? 'none' : c.use_double_cls_token ? 'ends' : c.use_middle_cls_token ? 'middle' : 'first';
  const classToken = c.cls_token_position ?? flagged;
  const causal = c.bimamba_type === 'none';
  if (causal) refuseFirst('vim', 'bimamba_type is "none"', classToken);
  return {
    family: 'vim',
    ...visionFields('vim', c, classToken),
    causal,
    innerSize: Math.floor(c.expand * c.embed_dim),
    stateSize: c.d_state,
    timeStepRank: c.dt_rank === 'auto' ? Math.ceil(c.embed_dim / 16) : c.dt_rank,
    convKernel: c.d_conv,
    useBias: c.bias,
    useConvBias: c.conv_bias,
    epsilon: c.norm_epsilon,
    halved: c.if_divide_out ?? c.if_devide_out ?? true,
    initialization: { range: 0.02, timeStepMin: 0.001, timeStepMax: 0.1, timeStepFloor: 1e-4, rescaleResidual: true },
  };
}

const vim2Schema = () =>
  z.object({
    ...shared(),
    d_state: size().default(128),
    d_conv: size().default(4),
    expand: z.number().positive().default(2),
    headdim: size().default(64),
    ngroups: size().default(1),
    norm_epsilon: z.number().positive().default(1e-5),
    conv_bias: z.boolean().default(true),
    bias: z.boolean().default(false),
  });

/**
 * Reads the config.json of a Mamba-2 over patches: Vision Mamba's arguments for images, and those of Mamba-2 under the names of its
 * authors' class. `cls_token_position` is "last" by default.
 * @throws ModelError with the field, the value seen and the value needed
 */
export function parseVim2Config(json: unknown): Vim2Config {
  const c = parseFields('vim2', vim2Schema(), json);
  const classToken = c.cls_token_position ?? 'last';
  refuseFirst('vim2', 'it reads forwards', classToken);
  const innerSize = Math.floor(c.expand * c.embed_dim);
  const heads = innerSize / c.headdim;
  const refuse = (field: string, seen: number, needed: string): never => {
    throw new ModelError(`config.json of a vim2 model: ${field} is ${seen}; ${needed}`);
  };
  if (!Number.isInteger(heads)) refuse('headdim', c.headdim, `it must divide expand · embed_dim, ${innerSize}`);
  if (heads % c.ngroups !== 0) refuse('ngroups', c.ngroups, `it must divide the number of heads, ${heads}`);
  return {
    family: 'vim2',
    ...visionFields('vim2', c, classToken),
    innerSize,
    heads,
    headSize: c.headdim,
    groups: c.ngroups,
    stateSize: c.d_state,
    convKernel: c.d_conv,
    timeStepLimit: [0, Infinity],
    normGroups: c.ngroups,
    useBias: c.bias,
    useConvBias: c.conv_bias,
    epsilon: c.norm_epsilon,
    initialization: { range: 0.02, timeStepMin: 0.001, timeStepMax: 0.1, timeStepFloor: 1e-4, rescaleResidual: true },
  };
}

const vitSchema = () =>
  z.object({
    ...shared(),
    num_heads: size(),
    mlp_ratio: z.number().positive().default(4),
    qkv_bias: z.boolean().default(true),
    is_causal: z.boolean().default(false),
    norm_epsilon: z.number().positive().default(1e-6),
    initializer_range: z.number().positive().default(0.02),
  });

/**
 * Reads a ViT config.json: the arguments of timm's class, under their names, `cls_token_position` (default first, last where
 * `is_causal`: no patch is then seen by those before it) and `initializer_range`.
 * @throws ModelError with the field, the value seen and the value needed
 */
export function parseVitConfig(json: unknown): VitConfig {
  const c = parseFields('vit', vitSchema(), json);
  if (c.embed_dim % c.num_heads !== 0)
    throw new ModelError(`config.json of a vit model: num_heads is ${c.num_heads}; it must divide embed_dim, ${c.embed_dim}`);
  const classToken = c.cls_token_position ?? (c.is_causal ? 'last' : 'first');
  if (c.is_causal) refuseFirst('vit', 'is_causal is true', classToken);
  return {
    family: 'vit',
    ...visionFields('vit', c, classToken),
    causal: c.is_causal,
    heads: c.num_heads,
    innerSize: Math.floor(c.mlp_ratio * c.embed_dim),
    qkvBias: c.qkv_bias,
    epsilon: c.norm_epsilon,
    range: c.initializer_range,
  };
}

/** A class token in front of all patches reads none of them in a model that reads forwards. */
function refuseFirst(family: string, why: string, classToken: ClassToken): void {
  if (classToken === 'first')
    throw new ModelError(
      `config.json of a ${family} model: ${why} and the class token stands first, where it reads no patch; it must stand elsewhere, best at cls_token_position "last"`,
    );
}

function visionFields(
  family: string,
  c: z.infer<z.ZodObject<ReturnType<typeof shared>>>,
  classToken: ClassToken,
): Omit<VisionConfig, 'family' | 'epsilon'> {
  const imageSize = typeof c.img_size === 'number' ? ([c.img_size, c.img_size] as const) : c.img_size;
  const stride = c.stride ?? c.patch_size;
  if (stride > c.patch_size)
    throw new ModelError(
      `config.json of a ${family} model: stride is ${stride}; beyond patch_size, ${c.patch_size}, it would leave pixels out`,
    );
  const labels = Array.from({ length: c.num_classes }, (_, id) => c.id2label?.[id] ?? `LABEL_${id}`);
  const head: Head = { kind: 'classifier', classes: c.num_classes, pooling: classToken === 'none' ? 'mean' : 'class-token', labels };
  return {
    vocabSize: 0,
    endOfSequence: [],
    hiddenSize: c.embed_dim,
    layers: c.depth,
    head,
    imageSize: [imageSize[0], imageSize[1]],
    channels: c.in_chans ?? c.in_channels,
    patchSize: c.patch_size,
    stride,
    classToken,
  };
}
