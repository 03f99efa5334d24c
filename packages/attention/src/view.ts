import {
  disposeBatch,
  isImages,
  shapeOfBatch,
  type Batch,
  type BlockParts,
  type Dynamics,
  type LayerKind,
  type LayerParts,
  type Model,
  type ModelState,
  type ScanDynamics,
  type SoftmaxDynamics,
  type TwoWay,
  type VisionConfig,
} from '@hidden-attention/model';
import { scope, Tensor } from '@hidden-attention/tensor';
import { blockOperator, type Around } from './block.js';
import { attentionLayer, type AttentionLayer, type Operator, type TriangularOperator } from './layer.js';
import { checkFits } from './memory.js';
import { literalOperator, scanOperator } from './scan.js';
import { reversed, twoWay } from './two-way.js';
import { softmaxBlockOperator, softmaxOperator } from './softmax.js';
import { withinTexts } from './within-texts.js';

/**
 * What of a layer is seen as attention: the bare scan; the whole block, exactly; the block as published, without D and biases;
 * the scan with rows as the paper's released code computes them. Of softmax attention: the probabilities of each head for all of
 * them, but for the last, which it has not.
 */
export type Part = 'scan' | 'block' | 'unified' | 'literal';

/** How a part is seen. */
export interface PartOptions {
  /** of `block` and `unified`: factors around the scan to leave out */
  without?: readonly Around[];
}

/** One layer of a view: the bare scan's attention, and the other ways to see the layer. */
export interface LayerView extends AttentionLayer {
  readonly index: number;
  readonly kind: LayerKind;
  of(part: Part, options?: PartOptions): AttentionLayer;
  scan(): AttentionLayer;
  block(options?: PartOptions): AttentionLayer;
  unified(options?: PartOptions): AttentionLayer;
  /**
   * Of a layer that reads both ways (Vision Mamba) one direction, in the order of the tokens; by itself the layer is the sum of both.
   * @throws RangeError for a layer that reads one way
   */
  direction(which: Direction): AttentionLayer & Pick<LayerView, 'of'>;
  readonly dynamics: Dynamics;
  /** what is around the scan; computed, for all layers, when first asked for */
  parts(): LayerParts;
}

/** A model's layers as attention, at one input. It keeps Δ, B and C of every layer: l·(d + 2n) numbers each. */
export class AttentionView {
  readonly #dynamics: Dynamics[];
  #parts: LayerParts[] | undefined;
  readonly #ownsBatch: boolean;

  /** Use `attentionView`. */
  constructor(
    readonly model: Model,
    readonly batch: Batch,
    /** the state the input was run from, if any */
    readonly state: ModelState | undefined,
    ownsBatch: boolean,
    captured?: Readonly<Record<string, Tensor>>,
  ) {
    this.#ownsBatch = ownsBatch;
    const { family } = model;
    this.#dynamics = this.#capture((layer) => family.dynamicsSites(layer, model.config), family.dynamics, captured);
  }

  /** Number of layers. */
  get layers(): number {
    return this.#dynamics.length;
  }

  /** Layer `index`, negative from the end; throws RangeError when there is none. */
  layer(index: number): LayerView {
    const found = index < 0 ? this.layers + index : index;
    const dynamics = this.#dynamics[found];
    if (!dynamics)
      throw new RangeError(
        `layer ${index} does not exist; the model has layers 0 to ${this.layers - 1} (or −1 to −${this.layers} from the end)`,
      );
    const name = `layer ${found}`;
    const parts = (): LayerParts => this.#allParts()[found]!;
    const inDirection = (direction?: Direction): ((part: Part, options?: PartOptions) => AttentionLayer) => {
      const operator = operatorOf(name, dynamics, parts, this.batch, direction);
      const scan = attentionLayer(operator('scan'));
      return (part, options) => (part === 'scan' ? scan : attentionLayer(operator(part, options)));
    };
    const of = inDirection();
    const direction = (which: Direction): AttentionLayer & Pick<LayerView, 'of'> => {
      const own = inDirection(which);
      return { ...own('scan'), of: own };
    };
    return {
      ...of('scan'),
      index: found,
      kind: kindOf(dynamics),
      of,
      scan: () => of('scan'),
      block: (options) => of('block', options),
      unified: (options) => of('unified', options),
      direction,
      dynamics,
      parts,
    };
  }

  /** Frees what the view holds. */
  dispose(): void {
    for (const tensor of tensorsOf([...this.#dynamics, ...(this.#parts ?? [])])) {
      tensor.dispose();
      tensor.letGo();
    }
    if (this.#ownsBatch) {
      disposeBatch(this.batch);
    }
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #allParts(): LayerParts[] {
    const { family, config } = this.model;
    return (this.#parts ??= this.#capture((layer) => family.blockSites(layer, config), family.blockParts));
  }

  /** Runs the model with the sites of every layer captured, and reads something of each layer out of them. */
  #capture<T extends object>(
    sites: (layer: number) => string[],
    read: (model: Model, captured: Record<string, Tensor>, layer: number) => T,
    known?: Readonly<Record<string, Tensor>>,
  ): T[] {
    const { model, batch, state } = this;
    const layers = Array.from({ length: model.config.layers }, (_, layer) => layer);
    const held = scope(() => {
      const captured =
        known ?? model.forward(batch, { capture: layers.flatMap(sites), logits: 'none', ...(state ? { state } : {}) }).captured;
      return layers.map((layer) => ({
        ...read(model, captured, layer),
        ...(batch.startsTensor ? { starts: batch.startsTensor.view() } : {}), // texts of one row do not read of one another
      }));
    });
    for (const tensor of tensorsOf(held)) tensor.retain(); // the view's own, whoever's scope this runs in
    return held;
  }
}

/** Directions of a layer that reads both ways. */
export type Direction = 'forward' | 'backward';

/** How a layer is seen: as which operator, by part. */
function operatorOf(
  name: string,
  dynamics: Dynamics,
  parts: () => LayerParts,
  batch: Batch,
  direction: Direction | undefined,
): (part: Part, options?: PartOptions) => Operator {
  const { lengths } = batch;
  if (isTwoWay(dynamics)) {
    return (part, options) => {
      const of = (which: Direction): TriangularOperator =>
        scanPart(name, dynamics[which], () => (parts() as TwoWay<BlockParts>)[which], lengths, part, options);
      if (direction === 'forward') return of('forward');
      return direction === 'backward' ? reversed(of('backward')) : twoWay(of('forward'), reversed(of('backward')));
    };
  }
  if (direction) throw new RangeError(`${name} reads one way; it has no direction '${direction}'`);
  if (isSoftmax(dynamics)) {
    return (part) => {
      if (part === 'literal')
        throw new RangeError(`${name} is softmax attention; rows as the released code computes them ('literal') are those of a scan`);
      return (part === 'scan' ? softmaxOperator : softmaxBlockOperator)(name, dynamics, lengths);
    };
  }
  const texts = isImages(batch) ? undefined : batch.texts;
  return (part, options) => {
    if (texts && part === 'literal')
      throw new RangeError(`rows as the released code computes them ('literal') are those of one text; give each text a row of its own`);
    const operator = scanPart(name, dynamics, () => parts() as BlockParts, lengths, part, options);
    return texts ? withinTexts(operator, texts) : operator;
  };
}

/** A scan, or the block around it. */
function scanPart(
  name: string,
  dynamics: ScanDynamics,
  parts: () => BlockParts,
  lengths: readonly number[],
  part: Part,
  { without }: PartOptions = {},
): TriangularOperator {
  switch (part) {
    case 'scan':
      return scanOperator(name, dynamics, lengths);
    case 'literal':
      return literalOperator(name, dynamics, lengths);
    case 'block':
    case 'unified':
      return blockOperator(name, parts(), lengths, { skip: part === 'block', without });
    default:
      throw new RangeError(`a layer has no part '${String(part)}'; it has scan, block, unified, literal`);
  }
}

const kindOf = (dynamics: Dynamics): LayerKind => (isTwoWay(dynamics) ? 'two-way scan' : isSoftmax(dynamics) ? 'softmax' : 'scan');

/** Whether these are of a layer that reads both ways. */
export const isTwoWay = <T extends object>(dynamics: T): dynamics is Extract<T, TwoWay<unknown>> => 'backward' in dynamics;

/** Whether these are the dynamics of softmax attention. */
export const isSoftmax = <T extends object>(dynamics: T): dynamics is Extract<T, SoftmaxDynamics> => 'logSumExp' in dynamics;

function tensorsOf(held: readonly object[]): Tensor[] {
  return held.flatMap((values) =>
    isTwoWay(values)
      ? tensorsOf(Object.values(values) as object[])
      : Object.values(values).filter((value): value is Tensor => value instanceof Tensor),
  );
}

/** From this many positions on, a view's memory is estimated before it is made. */
const longInput = 4096;

/**
 * Runs the model once over a batch, or over rows of ids, and keeps what its layers' attention is made of. Free it with
 * `dispose` or `using`.
 * @param options.state the state to start from; the attention is then that among the new positions
 * @param options.captured of a pass over this very input what stands at all `dynamicsSites`: in place of a pass of the view's own
 * @throws RangeError when the view would not fit in memory, with its size and what to do instead
 */
export async function attentionView(
  model: Model,
  input: Batch | readonly ArrayLike<number>[],
  options: { state?: ModelState; captured?: Readonly<Record<string, Tensor>> } = {},
): Promise<AttentionView> {
  const rows = Array.isArray(input);
  const batch = rows ? model.batch(input as readonly ArrayLike<number>[]) : (input as Batch);
  try {
    const [count, length] = shapeOfBatch(batch);
    const positions = count * length;
    if (positions > longInput) {
      checkFits(
        model.device,
        `the attention view of ${positions} positions`,
        positions * bytesPerPosition(model),
        'Ask for a rollout in pieces (rolloutLongRow), or for a shorter input',
      );
    }
    const view = new AttentionView(model, batch, options.state, rows, options.captured);
    await model.device.finish();
    return view;
  } catch (error) {
    if (rows) disposeBatch(batch);
    throw error;
  }
}

/** The least that a model can read: one token, or one image of the size that it was made for. */
export function smallestBatch(model: Model): Batch {
  if (!model.family.images) return model.batch([[0]]);
  const { channels, imageSize } = model.config as VisionConfig;
  const shape = [1, channels, ...imageSize] as const;
  return model.images(new Float32Array(channels * imageSize[0] * imageSize[1]), shape);
}

/** Bytes that a forward pass with all sites captured takes a position, as the smallest input shows it. */
export function bytesPerPosition(model: Model): number {
  return scope(() => {
    const batch = smallestBatch(model);
    const { captured } = model.forward(batch, {
      capture: model.sites().filter((name) => !name.endsWith('tate')),
      logits: 'none',
    });
    const temporaries = 1.5; // what is made between two sites
    return (4 * temporaries * Object.values(captured).reduce((sum, tensor) => sum + tensor.size, 0)) / shapeOfBatch(batch)[1];
  });
}
