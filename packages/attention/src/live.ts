import { layerKindsOf, type Model, type ScanDynamics } from '@hidden-attention/model';
import { abs, add, affine, concat, scope, slice, sum, sumLast, Tensor, topK, type TopK } from '@hidden-attention/tensor';
import { sumKinds, type Reduce } from './channels.js';
import { requireScans } from './pieces.js';
import { scanTransposedCarried } from './transposed.js';

export interface LiveAttentionOptions {
  /** layers to watch, negative from the end; default all that are scans */
  layers?: readonly number[];
  /** earlier positions to name, at most; default 5 */
  k?: number;
  /** mean over channels of α, of |α| or of its positive part; default 'mean', ranked by absolute value */
  reduce?: Reduce;
  /**
   * how much of what the newest position asks of the state must still be alive, for positions further back to be looked at:
   * Σ|C·decay| as a share of Σ|C| over all channels and states. 0 looks at all of them. Default 1e-3
   */
  cutoff?: number;
}

/** What the newest position of a text read of the others, in one layer. */
export interface LiveRow {
  layer: number;
  /** the newest position */
  position: number;
  /** the largest entries of its row, the largest first */
  top: { position: number; value: number }[];
  /** Σ|top| as a share of Σ|row|, over the positions that were looked at */
  share: number;
  /** the earliest position that was looked at */
  reach: number;
  /** what was still alive of the state before that: 0 where the beginning was reached */
  alive: number;
}

/** Positions of a piece of the history. */
const pieceSize = 64;

/** Δ and B of some positions. */
interface Piece {
  start: number;
  delta: Tensor;
  B: Tensor;
}

/**
 * The attention of a text that grows, one position at a time: it keeps Δ and B of what was read, and says of the newest position
 * what it drew on. It goes back piece by piece, the scan run backwards with its state carried, only as far as the decay leaves
 * anything alive: what a position costs does not grow with the text beyond that. For one row; free it with `dispose`.
 */
export class LiveAttention implements Disposable {
  /** sites to capture in every pass */
  readonly sites: readonly string[];
  readonly #model: Model;
  readonly #layers: readonly number[];
  readonly #options: Required<Omit<LiveAttentionOptions, 'layers'>>;
  readonly #histories: Piece[][];
  #newest: ScanDynamics[] = [];
  #length = 0;

  /** @throws RangeError for a layer that does not exist, or options out of range */
  constructor(model: Model, { layers, k = 5, reduce = 'mean', cutoff = 1e-3 }: LiveAttentionOptions = {}) {
    const count = model.config.layers;
    const scans = layerKindsOf(model).flatMap((kind, layer) => (kind === 'scan' ? [layer] : []));
    this.#layers = (layers ?? scans).map((layer) => {
      const found = layer < 0 ? count + layer : layer;
      if (!Number.isInteger(layer) || found < 0 || found >= count)
        throw new RangeError(`layer ${layer} does not exist; the model has layers 0 to ${count - 1}`);
      return found;
    });
    if (this.#layers.length === 0) throw new RangeError('live attention follows the states of scans; this model has none');
    requireScans(model, this.#layers, 'live attention');
    if (!Number.isInteger(k) || k < 1) throw new RangeError(`k is ${k}; a whole number of at least 1 is needed`);
    if (!(cutoff >= 0 && cutoff < 1)) throw new RangeError(`cutoff is ${cutoff}; a share from 0 to below 1 is needed`);
    this.#model = model;
    this.#options = { k, reduce, cutoff };
    this.#histories = this.#layers.map(() => []);
    this.sites = [...new Set(this.#layers.flatMap((layer) => model.family.dynamicsSites(layer, model.config)))];
  }

  /** Positions read so far. */
  get length(): number {
    return this.#length;
  }

  /** Takes in what a pass over further positions of one row captured at `sites`; the tensors stay the caller's. */
  see(captured: Readonly<Record<string, Tensor>>): void {
    const [rows, length] = captured[this.sites[0]!]!.shape as [number, number];
    if (rows !== 1) throw new RangeError(`a batch of ${rows} rows was given; live attention follows one`);
    for (const dynamics of this.#newest) disposeDynamics(dynamics);
    this.#newest = this.#layers.map((layer, i) => {
      const history = this.#histories[i]!;
      return scope(() => {
        const { delta, A, B, C } = this.#model.family.dynamics(this.#model, captured as Record<string, Tensor>, layer) as ScanDynamics;
        for (let at = 0; at < length;) {
          const last = history.at(-1);
          const room = last ? pieceSize - last.delta.shape[1]! : 0;
          const some = Math.min(length - at, room > 0 ? room : pieceSize);
          const part = { delta: slice(delta, 1, at, at + some), B: slice(B, 1, at, at + some) };
          if (last && room > 0) {
            const grown = { start: last.start, delta: concat([last.delta, part.delta], 1), B: concat([last.B, part.B], 1) };
            dispose(last);
            history[history.length - 1] = kept(grown);
          } else history.push(kept({ start: this.#length + at, ...part }));
          at += some;
        }
        const newest = {
          delta: slice(delta, 1, length - 1, length),
          A,
          B: slice(B, 1, length - 1, length),
          C: slice(C, 1, length - 1, length),
        };
        for (const tensor of Object.values(newest)) tensor.retain();
        return newest;
      });
    });
    this.#length += length;
  }

  /** What the newest position drew on, layer by layer. */
  async rows(): Promise<LiveRow[]> {
    if (this.#length === 0) throw new RangeError('no position has been seen yet');
    const walks = this.#layers.map((layer, i) => new Walk(layer, this.#newest[i]!, this.#histories[i]!, this.#options));
    try {
      for (let open = walks; open.length > 0;) {
        for (const walk of open) walk.step();
        const alive = await Promise.all(open.map((walk) => walk.alive()));
        open = open.filter((_, i) => alive[i]);
      }
      return await Promise.all(walks.map((walk) => walk.row(this.#length - 1)));
    } finally {
      for (const walk of walks) walk.dispose();
    }
  }

  /** Frees what it keeps. */
  dispose(): void {
    for (const piece of this.#histories.flat()) dispose(piece);
    for (const dynamics of this.#newest) disposeDynamics(dynamics);
    for (const history of this.#histories) history.length = 0;
    this.#newest = [];
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** Keeps a piece's tensors, whatever scope they were made in. */
function kept(piece: Piece): Piece {
  piece.delta.retain();
  piece.B.retain();
  return piece;
}

function dispose({ delta, B }: Piece): void {
  for (const tensor of [delta, B]) {
    tensor.letGo();
    tensor.dispose();
  }
}

function disposeDynamics(dynamics: ScanDynamics): void {
  for (const tensor of Object.values(dynamics) as Tensor[]) {
    tensor.letGo();
    tensor.dispose();
  }
}

/** One layer's way back through its history. */
class Walk {
  readonly #layer: number;
  readonly #newest: ScanDynamics;
  readonly #history: readonly Piece[];
  readonly #options: Required<Omit<LiveAttentionOptions, 'layers'>>;
  #at: number;
  #carried: Tensor | undefined; // (1 d n): what later positions ask of the state
  #top: TopK | undefined;
  #total: Tensor | undefined; // Σ|row| so far
  readonly #asked: Tensor; // Σ|C| over channels and states
  #alive = 1;

  constructor(layer: number, newest: ScanDynamics, history: readonly Piece[], options: Required<Omit<LiveAttentionOptions, 'layers'>>) {
    this.#layer = layer;
    this.#newest = newest;
    this.#history = history;
    this.#options = options;
    this.#at = history.length;
    const [groups] = newest.C.shape.slice(2) as [number];
    this.#asked = scope(() => affine(sum(abs(newest.C)), newest.A.shape[0]! / groups)); // every channel asks with its group's C
  }

  /** One piece further back. */
  step(): void {
    const { delta, B, start } = this.#history[--this.#at]!;
    const { A, C } = this.#newest;
    const length = delta.shape[1]!;
    const first = this.#carried === undefined;
    const next = scope(() => {
      // the newest position stands last in its piece; pieces before it are asked through the carried state alone
      const g = Tensor.full(delta.shape, 0, delta.device);
      const ask = first ? withLast(delta) : g;
      const Cs = first && length > 1 ? concat([slice(B, 1, 0, length - 1), C], 1) : first ? C : B;
      const later = this.#carried ?? Tensor.full([1, ...A.shape], 0, delta.device);
      const { out, dInitialState } = scanTransposedCarried({ delta, A, B, C: Cs, g: ask, dFinalState: later });
      const row = sumLast(out, sumKinds[this.#options.reduce], 1 / A.shape[0]!); //                  (1 l)
      const top = topK(row, { k: this.#options.k, by: 'magnitude', among: this.#top, offset: start });
      const size = sumLast(row, 'abs');
      return { carried: dInitialState, top, size };
    });
    this.#carried?.dispose();
    for (const tensor of Object.values(this.#top ?? {})) tensor.dispose();
    this.#carried = next.carried;
    this.#top = next.top;
    const before = this.#total;
    this.#total = before ? scope(() => add(before, next.size)) : next.size;
    if (before) for (const tensor of [before, next.size]) tensor.dispose();
  }

  /** Whether there is more to look at: positions, and something of the state alive. */
  async alive(): Promise<boolean> {
    if (this.#at === 0) {
      this.#alive = 0;
      return false;
    }
    const left = scope(() => sum(abs(this.#carried!)));
    const [now, asked] = await Promise.all([left.item(), this.#asked.item()]);
    left.dispose();
    this.#alive = asked === 0 ? 0 : now / asked;
    return this.#alive > this.#options.cutoff;
  }

  async row(position: number): Promise<LiveRow> {
    const [values, indices, total] = await Promise.all([this.#top!.values.read(), this.#top!.indices.read(), this.#total!.item()]);
    const top = Array.from(indices, (index, i) => ({ position: index, value: values[i]! })).filter((entry) => entry.position >= 0);
    const held = top.reduce((size, { value }) => size + Math.abs(value), 0);
    return {
      layer: this.#layer,
      position,
      top,
      share: total === 0 ? 1 : held / total,
      reach: this.#history[this.#at]!.start,
      alive: this.#alive,
    };
  }

  dispose(): void {
    for (const tensor of [this.#carried, this.#total, this.#asked, ...Object.values(this.#top ?? {})] as (Tensor | undefined)[])
      tensor?.dispose();
  }
}

/** (1 l d): ones at the last position, zeros before. */
function withLast(like: Tensor): Tensor {
  const [, length, channels] = like.shape as [number, number, number];
  const last = Tensor.full([1, 1, channels], 1, like.device);
  return length === 1 ? last : concat([Tensor.full([1, length - 1, channels], 0, like.device), last], 1);
}
