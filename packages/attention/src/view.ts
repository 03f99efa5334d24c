import type { Batch, BlockParts, Dynamics, LayerKind, LayerParts, Model, ModelState, SoftmaxDynamics } from '@hidden-attention/model';
import { scope, Tensor } from '@hidden-attention/tensor';
import { blockOperator } from './block.js';
import { attentionLayer, type AttentionLayer } from './layer.js';
import { checkFits } from './memory.js';
import { literalOperator, scanOperator } from './scan.js';
import { softmaxBlockOperator, softmaxOperator } from './softmax.js';

/**
 * What of a layer is seen as attention: the bare scan; the whole block, exactly; the block as published, without D and biases;
 * the scan with rows as the paper's released code computes them. Of softmax attention: the probabilities of each head for all of
 * them, but for the last, which it has not.
 */
export type Part = 'scan' | 'block' | 'unified' | 'literal';

/** One layer of a view: the bare scan's attention, and the other ways to see the layer. */
export interface LayerView extends AttentionLayer {
  readonly index: number;
  readonly kind: LayerKind;
  of(part: Part): AttentionLayer;
  scan(): AttentionLayer;
  block(): AttentionLayer;
  unified(): AttentionLayer;
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
  ) {
    this.#ownsBatch = ownsBatch;
    const { family } = model;
    this.#dynamics = this.#capture((layer) => family.dynamicsSites(layer, model.config), family.dynamics);
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
    const { lengths } = this.batch;
    const name = `layer ${found}`;
    const kind = isSoftmax(dynamics) ? 'softmax' : 'scan';
    const scan = attentionLayer(isSoftmax(dynamics) ? softmaxOperator(name, dynamics, lengths) : scanOperator(name, dynamics, lengths));
    const parts = (): LayerParts => this.#allParts()[found]!;
    const of = (part: Part): AttentionLayer => {
      switch (part) {
        case 'scan':
          return scan;
        case 'literal':
          if (isSoftmax(dynamics))
            throw new RangeError(`${name} is softmax attention; rows as the released code computes them ('literal') are those of a scan`);
          return attentionLayer(literalOperator(name, dynamics, lengths));
        case 'block':
        case 'unified':
          if (isSoftmax(dynamics)) return attentionLayer(softmaxBlockOperator(name, dynamics, lengths));
          return attentionLayer(blockOperator(name, parts() as BlockParts, lengths, { skip: part === 'block' }));
        default:
          throw new RangeError(`a layer has no part '${String(part)}'; it has scan, block, unified, literal`);
      }
    };
    return { ...scan, index: found, kind, of, scan: () => scan, block: () => of('block'), unified: () => of('unified'), dynamics, parts };
  }

  /** Frees what the view holds. */
  dispose(): void {
    for (const tensor of tensorsOf([...this.#dynamics, ...(this.#parts ?? [])])) {
      tensor.dispose();
      tensor.letGo();
    }
    if (this.#ownsBatch) {
      this.batch.ids.dispose();
      this.batch.lengthsTensor?.dispose();
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
  ): T[] {
    const { model, batch, state } = this;
    const layers = Array.from({ length: model.config.layers }, (_, layer) => layer);
    const held = scope(() => {
      const { captured } = model.forward(batch, { capture: layers.flatMap(sites), logits: 'none', ...(state ? { state } : {}) });
      return layers.map((layer) => read(model, captured, layer));
    });
    for (const tensor of tensorsOf(held)) tensor.retain(); // the view's own, whoever's scope this runs in
    return held;
  }
}

/** Whether these are the dynamics of softmax attention. */
export const isSoftmax = <T extends object>(dynamics: T): dynamics is Extract<T, SoftmaxDynamics> => 'logSumExp' in dynamics;

function tensorsOf(held: readonly object[]): Tensor[] {
  return held.flatMap((values) => Object.values(values).filter((value): value is Tensor => value instanceof Tensor));
}

/** From this many positions on, a view's memory is estimated before it is made. */
const longInput = 4096;

/**
 * Runs the model once over a batch, or over rows of ids, and keeps what its layers' attention is made of. Free it with
 * `dispose` or `using`.
 * @param options.state the state to start from; the attention is then that among the new positions
 * @throws RangeError when the view would not fit in memory, with its size and what to do instead
 */
export async function attentionView(
  model: Model,
  input: Batch | readonly ArrayLike<number>[],
  options: { state?: ModelState } = {},
): Promise<AttentionView> {
  const rows = Array.isArray(input);
  const batch = rows ? model.batch(input as readonly ArrayLike<number>[]) : (input as Batch);
  try {
    const positions = batch.ids.size;
    if (positions > longInput) {
      checkFits(
        model.device,
        `the attention view of ${positions} positions`,
        positions * bytesPerPosition(model),
        'Ask for a rollout in pieces (rolloutLongRow), or for a shorter input',
      );
    }
    const view = new AttentionView(model, batch, options.state, rows);
    await model.device.finish();
    return view;
  } catch (error) {
    if (rows) batch.ids.dispose();
    throw error;
  }
}

/** Bytes that a forward pass with all sites captured takes a position, as one position shows it. */
export function bytesPerPosition(model: Model): number {
  return scope(() => {
    const { captured } = model.forward(model.batch([[0]]), {
      capture: model.sites().filter((name) => !name.endsWith('tate')),
      logits: 'none',
    });
    const temporaries = 1.5; // what is made between two sites
    return 4 * temporaries * Object.values(captured).reduce((sum, tensor) => sum + tensor.size, 0);
  });
}
