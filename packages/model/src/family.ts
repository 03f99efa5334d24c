import type { Tensor, Float } from '@hidden-attention/tensor';
import type { Batch, ImageBatch, Pooling } from './batch.js';
import type { Model } from './model.js';
import type { PatchValue } from './sites.js';
import type { ModelState } from './state.js';

/** What every family's configuration holds; a family adds its own sizes. */
export interface ModelConfig {
  /** `model_type` of config.json */
  family: string;
  vocabSize: number;
  hiddenSize: number;
  layers: number;
  head: Head;
  /** ids that end a generated text */
  endOfSequence: readonly number[];
  /** positions that a text can have, where that is limited: a table of learned positions */
  maxPositions?: number;
}

/** What stands on top of the last norm. */
export type Head =
  { kind: 'language-model'; tied: boolean } | { kind: 'classifier'; classes: number; pooling: Pooling; labels: readonly string[] };

/** How a parameter looks and starts. */
export interface ParameterSpec {
  shape: readonly number[];
  /** fills a fresh parameter; `random` gives uniform numbers in [0, 1) */
  initialize(data: Float32Array, random: () => number): void;
  /** whether weight decay applies (not to A_log, D, biases and norms) */
  decay: boolean;
  /** whether it stays in f32 where a model computes in 16 bits: A_log, D and Δ's bias, which decide what is kept over long texts */
  exact?: boolean;
  /** whether only `linear` and `embedding` read it, as rows (n k): then it can be held in int8 where k is a multiple of 32 */
  linear?: boolean;
}

/** Which logits are wanted: of all positions, each row's last, a position of each row, positions start…end−1 of every row, or none. */
export type LogitsOption = 'all' | 'last' | 'none' | readonly number[] | { readonly start: number; readonly end: number };

export interface ForwardOptions {
  /** site names or patterns with `*` (docs: sites) whose values are given back */
  capture?: readonly string[];
  /** site name → the value to go on with instead, or a function from the value computed to it */
  patch?: Readonly<Record<string, PatchValue>>;
  /** the state to start from, as an earlier call left it; zero by default */
  state?: ModelState;
  /** a language model's logits; default 'all'. A classifier's are always (b classes) */
  logits?: LogitsOption;
  /** keep Δ and the gate out of the scan's kernel, and SiLU out of the convolution's: needed where rules or gradients look at them one by one */
  spelledOut?: boolean;
  /** keep only what enters and leaves each layer for a gradient, which runs the layers again: less memory, one more forward */
  recompute?: boolean;
  /** (b l m) to use in place of the embeddings of the ids: for gradients with respect to it */
  embeddings?: Tensor;
  /**
   * start at this layer: `embeddings` is what enters it, the layers before it are not run and their states stay as they are. With
   * the number of layers: the last norm and the head alone
   */
  fromLayer?: number;
  /**
   * `state` is written over, and its caches that have room are written to, nothing of it copied: for a state that nobody else goes on
   * from. In a recorded step, what depends on the weights alone is computed once, not at every replay
   */
  inPlace?: boolean;
}

export interface ForwardResult {
  /** (b l vocab), (b n vocab) of a stretch, (b vocab) or (b classes); absent with `logits: 'none'`. Past a row's end they mean nothing; captured, they are zero there */
  logits?: Tensor<Float>;
  /** after each row's last position: pass it on to continue */
  state: ModelState;
  /** by expanded site name; zero past a row's end */
  captured: Record<string, Tensor>;
}

/** How a layer mixes positions. */
export type LayerKind = 'scan' | 'softmax' | 'two-way scan';

/** What makes a layer's attention matrices: of a scan, or of softmax attention. */
export type Dynamics = ScanDynamics | SoftmaxDynamics | TwoWay<ScanDynamics>;

/** The same of a scan forwards and of one backwards (Vision Mamba); the latter in its own order, the last position first. */
export interface TwoWay<Each> {
  forward: Each;
  backward: Each;
}

/** What makes a layer's scan an attention matrix: the dynamics of math.md section 2, shapes (b l d), (d n), (b l g n), (b l g n). */
export interface ScanDynamics {
  delta: Tensor;
  A: Tensor;
  B: Tensor;
  C: Tensor;
  /** where the text of each position begins (b l), where rows hold several texts; the attention view puts it there */
  starts?: Tensor | undefined;
}

/** What makes softmax attention a matrix a head: exp(scale·q_i·k_j − logSumExp_i). */
export interface SoftmaxDynamics {
  /** (b l h p) */
  q: Tensor;
  k: Tensor;
  v: Tensor;
  /** (b l h) */
  logSumExp: Tensor;
  /** as in `ScanDynamics` */
  starts?: Tensor | undefined;
  scale: number;
  causal: boolean;
}

/** The parts of a layer around its attention: what the certificate compares. */
export type LayerParts = BlockParts | SoftmaxParts | TwoWay<BlockParts>;

/** Of softmax attention: what its heads gave, side by side (b l h·p). */
export interface SoftmaxParts extends SoftmaxDynamics {
  attended: Tensor;
}

/** The parts of a layer around the scan, for the whole block as attention (math.md section 4). */
export interface BlockParts extends ScanDynamics {
  /** skip (d) */
  D: Tensor;
  /** before and after the convolution (b l d) */
  x: Tensor;
  conv: Tensor;
  /** scan input SiLU(conv) (b l d) */
  u: Tensor;
  /** u / conv, where the activation between them is not SiLU: ones where there is none (b l d) */
  ratio?: Tensor;
  /** what multiplies the scan's output: SiLU(z), in Mamba-2 times the norm's weight/rms (b l d) */
  gate: Tensor;
  /** what of the gated scan counts, where it is one of two: default 1 */
  share?: number;
  /** out_proj's input (b l d) */
  gated: Tensor;
  /** depthwise taps (d k) and their bias (d) */
  convWeight: Tensor;
  convBias: Tensor | undefined;
  /** out_proj (m d), where the family says so: for what positions contribute as vectors */
  outWeight?: Tensor | undefined;
}

/**
 * A model family. The built-in ones are registered by the same call that a third party uses (`registerFamily`).
 */
export interface ModelFamily<Config extends ModelConfig = ModelConfig> {
  /** `model_type` of config.json */
  name: string;
  /** what people call it, with its source: for lists of families */
  title?: string;
  /** class names of the field, for config.json's `architectures`; by default the name in capitals with ForCausalLM or ForSequenceClassification */
  classNames?: { languageModel: string; classifier: string };
  /** Reads config.json; throws ModelError naming the field, the value and what it must be. */
  parseConfig(json: unknown): Config;
  /** All parameters, by the names that Hugging Face checkpoints use. */
  parameters(config: Config): Record<string, ParameterSpec>;
  /** All sites of a model, for captures, patches and error messages. */
  sites(config: Config): string[];
  forward(model: Model<Config>, batch: Batch, options: ForwardOptions): ForwardResult;
  /**
   * Of models that read images: pixels (b c h w), normalised, as a batch. Throws ModelError for sizes that it cannot cut into patches.
   */
  images?(model: Model<Config>, pixels: Float32Array, shape: readonly [number, number, number, number]): ImageBatch;
  /** The state before the first token, of `rows` sequences. */
  initialState(model: Model<Config>, rows: number): ModelState;
  /** How each layer mixes positions; by default all by a scan. */
  layerKinds?(config: Config): readonly LayerKind[];
  /** The sites that `dynamics` reads of layer `layer`, and those that `blockParts` reads. */
  dynamicsSites(layer: number, config: Config): string[];
  blockSites(layer: number, config: Config): string[];
  /** The attention dynamics of layer `layer` out of a forward's captured sites; new tensors. */
  dynamics(model: Model<Config>, captured: Record<string, Tensor>, layer: number): Dynamics;
  blockParts(model: Model<Config>, captured: Record<string, Tensor>, layer: number): LayerParts;
}
