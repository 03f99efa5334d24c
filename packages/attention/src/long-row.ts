import { layerKindsOf, type Model, type ScanDynamics, type SoftmaxDynamics } from '@hidden-attention/model';
import { scope, slice, softmaxAttentionMatrix, Tensor, transpose, type Float } from '@hidden-attention/tensor';
import { chosen, type ChannelChoice } from './channels.js';
import { disposeAll, dynamicsOf, walk } from './pieces.js';
import { inEveryChannel, oneHot, resolvePositions, type Position } from './positions.js';
import { scanTransposedCarried } from './transposed.js';
import { isSoftmax } from './view.js';

export type LongRowOptions = ChannelChoice & {
  position?: Position;
  /** negative from the end; default all */
  layers?: readonly number[];
  /** positions a piece; default 2048 */
  piece?: number;
  signal?: AbortSignal;
  onProgress?: (done: number, total: number) => void;
};

/** One row of a layer's attention over a whole text: numbers (c l), zeros behind the position. */
export interface LongRow {
  layer: number;
  shape: [channels: number, length: number];
  data: Float32Array;
}

/**
 * One row of the hidden attention of a text of any length, layer by layer: what `attentionView(model, [text]).layer(k).row(position)`
 * gives, in the memory of one piece and the states. The text is read once for the state before each piece, then again from the position's
 * piece to the first: what the position asks of a scan's state is carried from each piece into the one before (`earlierRow`). In layers of
 * softmax attention, whose row stands in no state, its query meets the keys of every piece.
 * @throws RangeError for a position, layer or piece that cannot be
 */
export async function longRow(model: Model, text: ArrayLike<number>, options: LongRowOptions = {}): Promise<LongRow[]> {
  const { position = 'last', piece: size = 2048, signal, onProgress, layers: asked, ...choice } = options;
  const [target] = resolvePositions([text.length], position) as [number];
  const layers = layersOf(model, asked);
  const ids = Int32Array.from(text).subarray(0, target + 1);
  const pieces = await walk(model, ids, size, async ({ start }) => {
    signal?.throwIfAborted();
    onProgress?.(start, 2 * ids.length);
  });
  const readers = layers.map(() => new Reader());
  const rows: (LongRow | undefined)[] = layers.map(() => undefined);
  try {
    for (const piece of pieces.toReversed()) {
      signal?.throwIfAborted();
      const dynamics = dynamicsOf<ScanDynamics | SoftmaxDynamics>(model, ids, piece, layers);
      const found = dynamics.map((own, i) => scope(() => chosen(readers[i]!.read(own), choice)));
      disposeAll(dynamics);
      for (const [i, tensor] of found.entries()) {
        const [, channels, length] = tensor.shape as [number, number, number];
        const row = (rows[i] ??= { layer: layers[i]!, shape: [channels, text.length], data: new Float32Array(channels * text.length) });
        const numbers = await tensor.read();
        for (let c = 0; c < channels; c++)
          row.data.set(numbers.subarray(c * length, (c + 1) * length) as Float32Array, c * text.length + piece.start);
        tensor.dispose();
      }
      onProgress?.(2 * ids.length - piece.start, 2 * ids.length);
    }
  } finally {
    disposeAll(pieces);
    for (const reader of readers) reader.dispose();
  }
  return rows as LongRow[];
}

/** What the last position of a text reads of it, piece by piece from the end, in one layer. */
class Reader {
  /** what it asks of the scan's state before the piece that came last (1 d n) */
  #asked: Tensor | undefined;
  /** its query (1 1 h p) and the logarithm of what it is divided by (1 h 1) */
  #query: { q: Tensor; logSumExp: Tensor } | undefined;

  /** (1 l d), in every channel or head */
  read(dynamics: ScanDynamics | SoftmaxDynamics): Tensor<Float> {
    return isSoftmax(dynamics) ? this.#readKeys(dynamics) : this.#readScan(dynamics);
  }

  #readScan(dynamics: ScanDynamics): Tensor<Float> {
    const shape = dynamics.delta.shape as unknown as [number, number, number];
    const g = this.#asked ? undefined : inEveryChannel(oneHot([shape[1] - 1], shape[1]), shape, dynamics.delta.device);
    const { out, dInitialState } = scanTransposedCarried({ ...dynamics, g, dFinalState: this.#asked });
    this.#asked?.letGo();
    this.#asked = held(dInitialState);
    return out;
  }

  #readKeys({ q, k, logSumExp, scale }: SoftmaxDynamics): Tensor<Float> {
    const [, length, heads] = q.shape as [number, number, number];
    this.#query ??= {
      q: held(slice(q, 1, length - 1, length)),
      logSumExp: held(transpose(slice(logSumExp, 1, length - 1, length))),
    };
    const row = softmaxAttentionMatrix({ ...this.#query, k }, { scale, causal: false }); //            (1 h 1 l)
    return transpose(row.view([1, heads, length]));
  }

  dispose(): void {
    for (const tensor of [this.#asked, this.#query?.q, this.#query?.logSumExp]) tensor?.letGo();
  }
}

/** Kept beyond the scope that it was made in. */
function held<T extends Tensor>(tensor: T): T {
  tensor.retain();
  return tensor;
}

function layersOf(model: Model, asked: readonly number[] | undefined): number[] {
  const kinds = layerKindsOf(model);
  const layers = (asked ?? kinds.map((_, layer) => layer)).map((layer) => {
    const found = layer < 0 ? kinds.length + layer : layer;
    if (kinds[found] === undefined) throw new RangeError(`layer ${layer} does not exist; the model has layers 0 to ${kinds.length - 1}`);
    if (kinds[found] === 'two-way scan')
      throw new RangeError(`layer ${layer} reads both ways, all positions at once; use an attention view`);
    return found;
  });
  return layers;
}
