import { layerKindsOf, type Model, type ScanDynamics } from '@hidden-attention/model';
import { add, affine, concat, scope, slice, Tensor } from '@hidden-attention/tensor';
import type { Reduce } from './channels.js';
import { Ranking, Walk, type Piece } from './live-walk.js';
import { requireScans } from './pieces.js';

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
export interface LiveRow extends LiveOverall {
  layer: number;
}

/** The same as a mean over layers. */
export interface LiveOverall {
  /** the newest position */
  position: number;
  /** the largest entries of its row, the largest first */
  top: { position: number; value: number }[];
  /** Σ|top| as a share of Σ|row|, over the positions that were looked at */
  share: number;
  /** the earliest position that was looked at */
  reach: number;
  /** what was still alive of the state before that, of layers together the most: 0 where the beginning was reached */
  alive: number;
}

/** Positions of a piece of the history. */
const pieceSize = 64;

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
    const rankings = this.#layers.map(() => new Ranking(this.#options.k));
    try {
      const walks = await this.#walk((layer, row, start) => rankings[layer]!.add(row, start));
      return await Promise.all(
        walks.map(async ({ reach, alive }, i) => ({
          layer: this.#layers[i]!,
          position: this.#length - 1,
          ...(await rankings[i]!.result()),
          reach,
          alive,
        })),
      );
    } finally {
      for (const ranking of rankings) ranking.dispose();
    }
  }

  /** What the newest position drew on, as a mean over the layers that are watched. */
  async overall(): Promise<LiveOverall> {
    const ranking = new Ranking(this.#options.k);
    let together: { row: Tensor; start: number } | undefined;
    const share = 1 / this.#layers.length;
    try {
      // layers go back side by side: their rows over one piece come one after the other
      const walks = await this.#walk((_, row, start) => {
        const before = together;
        if (before && before.start !== start) ranking.add(before.row, before.start);
        const own = scope(() => (before?.start === start ? add(before.row, affine(row, share)) : affine(row, share)));
        before?.row.dispose();
        together = { row: own, start };
      });
      ranking.add(together!.row, together!.start);
      const [reach, alive] = [Math.min(...walks.map((walk) => walk.reach)), Math.max(...walks.map((walk) => walk.alive))];
      return { position: this.#length - 1, ...(await ranking.result()), reach, alive };
    } finally {
      together?.row.dispose();
      ranking.dispose();
    }
  }

  /** Goes back in all layers, piece by piece, as far as something is alive; `see` is given each layer's row over each piece (1 l). */
  async #walk(see: (layer: number, row: Tensor, start: number) => void): Promise<{ reach: number; alive: number }[]> {
    if (this.#length === 0) throw new RangeError('no position has been seen yet');
    const walks = this.#layers.map((_, i) => new Walk(this.#newest[i]!, this.#histories[i]!, this.#options));
    try {
      for (let open = walks; open.length > 0;) {
        for (const walk of open) {
          const { row, start } = walk.step();
          see(walks.indexOf(walk), row, start);
          row.dispose();
        }
        const alive = await Promise.all(open.map((walk) => walk.goesOn()));
        open = open.filter((_, i) => alive[i]);
      }
      return walks.map(({ reach, alive }) => ({ reach, alive }));
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
