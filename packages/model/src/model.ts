import { scope, sizeOf, type Device, type Tensor, type WeightType } from '@hidden-attention/tensor';
import { makeBatch, type Batch, type ImageBatch, type TextBatch } from './batch.js';
import { ModelError, nearestNames } from './errors.js';
import type { ForwardOptions, ForwardResult, LayerKind, ModelConfig, ModelFamily } from './family.js';
import type { ModelState } from './state.js';

/** A model: a configuration, and parameters under the names that Hugging Face checkpoints use. */
export class Model<Config extends ModelConfig = ModelConfig> {
  /** Use `createModel`, or `loadModel` of @hidden-attention/checkpoint. */
  constructor(
    readonly family: ModelFamily<Config>,
    readonly config: Config,
    /** config.json as it was read: what is saved again */
    readonly json: Readonly<Record<string, unknown>>,
    readonly parameters: ReadonlyMap<string, Tensor<WeightType>>,
    readonly device: Device,
  ) {}

  /** A parameter by its full name; throws ModelError naming the nearest. */
  parameter(name: string): Tensor<WeightType> {
    const found = this.parameters.get(name);
    if (!found) throw new ModelError(`no parameter "${name}"; the nearest are ${nearestNames(name, this.parameters.keys()).join(', ')}`);
    return found;
  }

  /** Number of numbers in all parameters. */
  get parameterCount(): number {
    return [...this.parameters.values()].reduce((sum, tensor) => sum + sizeOf(tensor.shape), 0);
  }

  /** Bytes of the device's memory that they take, as they are held (`inPrecision`). */
  get parameterBytes(): number {
    return [...this.parameters.values()].reduce((sum, tensor) => sum + tensor.bytes, 0);
  }

  /**
   * Rows of ids as a batch for this model; see `makeBatch` for what it refuses.
   * @param options.texts lengths of the texts that each row holds, one behind the other: nothing passes from one to the next. Position i
   * of a row stays position i
   */
  batch(rows: readonly ArrayLike<number>[], options: { texts?: readonly (readonly number[])[] | undefined } = {}): TextBatch {
    if (this.family.images) throw new ModelError('this model reads images, not token ids; make the batch with model.images');
    return makeBatch(rows, this.config.vocabSize, this.device, options.texts);
  }

  /**
   * Images as a batch for this model.
   * @param pixels (b c h w), channel first, normalised as the model was trained; any height and width that its patches cover
   * @throws ModelError for a model that reads text, sizes that do not fit, or a number that is not finite
   */
  images(pixels: Float32Array, shape: readonly [number, number, number, number]): ImageBatch {
    if (!this.family.images) throw new ModelError('this model reads token ids, not images; use a vision model');
    return this.family.images(this as never, pixels, shape);
  }

  /**
   * Runs the model over a batch: logits, the state after each row, and whatever sites were asked for. Queues work and returns
   * at once. Everything in the result is the caller's to dispose of.
   */
  forward(batch: Batch, options: ForwardOptions = {}): ForwardResult {
    return scope(() => this.family.forward(this, batch, options));
  }

  /**
   * Reads further ids of each row: `forward` from the state that an earlier chunk left, so that a text of any length is read in the
   * memory of one chunk. The result is that of the whole text at these positions. On a tape, gradients pass through the state into
   * what it was computed from, or to its tensors as inputs of a gradient.
   * @param state what the chunk before left; undefined before the first
   */
  stepChunk(rows: readonly ArrayLike<number>[], state: ModelState | undefined, options: Omit<ForwardOptions, 'state'> = {}): ForwardResult {
    return scope(() => this.forward(this.batch(rows), { ...options, ...(state ? { state } : {}) }));
  }

  /** The state before the first token. */
  initialState(rows = 1): ModelState {
    return this.family.initialState(this, rows);
  }

  /** Names of all sites. */
  sites(): string[] {
    return this.family.sites(this.config);
  }

  /** Frees the parameters. */
  dispose(): void {
    for (const tensor of this.parameters.values()) tensor.dispose();
  }
}

/** How each of a model's layers mixes positions. */
export function layerKindsOf({ family, config }: Model): readonly LayerKind[] {
  return family.layerKinds?.(config) ?? new Array<LayerKind>(config.layers).fill('scan');
}
