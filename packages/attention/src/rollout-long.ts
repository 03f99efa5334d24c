import type { ScanDynamics, Model } from '@hidden-attention/model';
import { affine, scope, selectiveScan, sumLast, Tensor } from '@hidden-attention/tensor';
import { exponentOf } from './edges.js';
import { RolloutGuard } from './guard.js';
import { disposeAll, dynamicsOf, requireScans, walk } from './pieces.js';
import { inEveryChannel, oneHot, resolvePositions, type Position } from './positions.js';
import type { Normalize, Rollout } from './rollout.js';
import { scanTransposedCarried } from './transposed.js';

export interface LongRolloutOptions {
  position?: Position;
  startLayer?: number;
  normalize?: Normalize;
  /** positions a piece; default 2048 */
  piece?: number;
}

/**
 * One row of the plain-mean rollout of a text of any length; the same as `rollout`. The text is run in pieces: once forwards,
 * keeping only the state before each piece, and once backwards, where a piece's Δ, B and C are computed again and what it asks of
 * earlier positions is carried on in the scans' states. Memory: a few numbers a position, the states, and one piece.
 */
export async function rolloutLongRow(model: Model, text: ArrayLike<number>, options: LongRolloutOptions = {}): Promise<Rollout> {
  const { position = 'last', startLayer = 0, normalize = 'none', piece: size = 2048 } = options;
  const [target] = resolvePositions([text.length], position) as [number];
  if (!Number.isInteger(startLayer) || startLayer < 0 || startLayer >= model.config.layers) {
    throw new RangeError(`startLayer is ${startLayer}; the model has layers 0 to ${model.config.layers - 1}`);
  }
  const layers = Array.from({ length: model.config.layers - startLayer }, (_, i) => startLayer + i);
  requireScans(model, layers, 'a rollout in pieces');
  const ids = Int32Array.from(text).subarray(0, target + 1);

  const sums = normalize === 'rows' ? new RowSums(ids.length, layers.length) : undefined;
  const pieces = await walk(
    model,
    ids,
    size,
    sums &&
      (async (piece) => {
        const dynamics = dynamicsOf(model, ids, piece, layers);
        for (const [i, own] of dynamics.entries()) await sums.add(i, own, piece.start);
        disposeAll(dynamics);
      }),
  );

  const guard = new RolloutGuard();
  const rows = layers.map(() => new Float64Array(text.length));
  const ways = layers.map(() => new WayBack());
  const start = oneHot([target], ids.length);
  for (const piece of pieces.toReversed()) {
    const dynamics = dynamicsOf(model, ids, piece, layers);
    let v = Float64Array.from(start.subarray(piece.start, piece.end));
    for (let i = layers.length - 1; i >= 0; i--) {
      if (sums) v = guard.divide(v, sums.of(i).subarray(piece.start, piece.end));
      const read = await ways[i]!.through(dynamics[i]!, v);
      v = v.map((value, at) => value + read[at]!);
      guard.see(v);
      rows[i]!.set(v, piece.start);
    }
    disposeAll([...dynamics, piece]);
  }
  for (const part of [...ways, ...(sums ? [sums] : [])]) part.dispose();
  return {
    data: rows[0]!,
    shape: [1, text.length],
    layers: [...Array.from({ length: startLayer }, () => undefined), ...rows],
    ...guard.report(),
  };
}

/** mean_d vᵀα of one layer, piece by piece from the end of the text. */
class WayBack {
  /** what later pieces ask of the scan's state (1 d n), times 2^−exponent */
  #asked: Tensor | undefined;
  #exponent = -Infinity;

  /** v (l) → (l), of the piece before the one that came last */
  async through(dynamics: ScanDynamics, v: Float64Array): Promise<Float64Array> {
    const { delta, A } = dynamics;
    const shape = delta.shape as unknown as [number, number, number];
    const exponent = Math.max(this.#exponent, exponentOf(v));
    const scale = 2 ** exponent;
    const { read, dInitialState } = scope(() => {
      const later = this.#asked ? affine(this.#asked, 2 ** (this.#exponent - exponent)) : Tensor.full([1, ...A.shape], 0, delta.device);
      const g = inEveryChannel(
        Float32Array.from(v, (value) => value / scale),
        shape,
        delta.device,
      );
      const { out, dInitialState } = scanTransposedCarried({ ...dynamics, g, dFinalState: later });
      return { read: sumLast(out, 'sum', 1 / shape[2]), dInitialState };
    });
    this.#asked?.dispose();
    this.#asked = dInitialState;
    this.#exponent = exponent;
    const result = Float64Array.from(await read.read(), (value) => value * scale);
    read.dispose();
    return result;
  }

  dispose(): void {
    this.#asked?.dispose();
  }
}

/** Row sums of the mean attention of some layers, piece by piece from the start of the text: the scan of ones. */
class RowSums {
  readonly #sums: Float64Array[];
  readonly #states: (Tensor | undefined)[];

  constructor(length: number, layers: number) {
    this.#sums = Array.from({ length: layers }, () => new Float64Array(length));
    this.#states = Array.from({ length: layers }, () => undefined);
  }

  of(layer: number): Float64Array {
    return this.#sums[layer]!;
  }

  async add(layer: number, dynamics: ScanDynamics, start: number): Promise<void> {
    const { delta } = dynamics;
    const { mean, finalState } = scope(() => {
      const { y, finalState } = selectiveScan({
        ...dynamics,
        u: Tensor.full(delta.shape, 1, delta.device),
        initialState: this.#states[layer],
      });
      return { mean: sumLast(y, 'sum', 1 / delta.shape[2]!), finalState };
    });
    this.#states[layer]?.dispose();
    this.#states[layer] = finalState;
    this.#sums[layer]!.set(await mean.read(), start);
    mean.dispose();
  }

  dispose(): void {
    for (const state of this.#states) state?.dispose();
  }
}
