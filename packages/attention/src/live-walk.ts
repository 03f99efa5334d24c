import type { ScanDynamics } from '@hidden-attention/model';
import { abs, add, affine, concat, scope, slice, sum, sumLast, Tensor, topK, type TopK } from '@hidden-attention/tensor';
import { sumKinds, type Reduce } from './channels.js';
import { scanTransposedCarried } from './transposed.js';

/** Δ and B of some positions. */
export interface Piece {
  start: number;
  delta: Tensor;
  B: Tensor;
}

/** One layer's way back through its history. */
export class Walk {
  readonly #newest: ScanDynamics;
  readonly #history: readonly Piece[];
  readonly #options: { reduce: Reduce; cutoff: number };
  #at: number;
  #carried: Tensor | undefined; // (1 d n): what later positions ask of the state
  readonly #asked: Tensor; // Σ|C| over channels and states
  /** what is alive of the state before the positions that were looked at */
  alive = 1;

  constructor(newest: ScanDynamics, history: readonly Piece[], options: { reduce: Reduce; cutoff: number }) {
    this.#newest = newest;
    this.#history = history;
    this.#options = options;
    this.#at = history.length;
    const [groups] = newest.C.shape.slice(2) as [number];
    this.#asked = scope(() => affine(sum(abs(newest.C)), newest.A.shape[0]! / groups)); // every channel asks with its group's C
  }

  /** The first position that was looked at. */
  get reach(): number {
    return this.#history[this.#at]!.start;
  }

  /** One piece further back: the row over it (1 l), the caller's. */
  step(): { row: Tensor; start: number } {
    const { delta, B, start } = this.#history[--this.#at]!;
    const { A, C } = this.#newest;
    const length = delta.shape[1]!;
    const first = this.#carried === undefined;
    const next = scope(() => {
      // the newest position stands last in its piece; pieces before it are asked through the carried state alone
      const g = first ? withLast(delta) : undefined;
      const Cs = first && length > 1 ? concat([slice(B, 1, 0, length - 1), C], 1) : first ? C : B;
      const { out, dInitialState } = scanTransposedCarried({ delta, A, B, C: Cs, g, dFinalState: this.#carried });
      return { carried: dInitialState, row: sumLast(out, sumKinds[this.#options.reduce], 1 / A.shape[0]!) };
    });
    this.#carried?.dispose();
    this.#carried = next.carried;
    return { row: next.row, start };
  }

  /** Whether there is more to look at: positions, and something of the state alive. */
  async goesOn(): Promise<boolean> {
    if (this.#at === 0) {
      this.alive = 0;
      return false;
    }
    const left = scope(() => sum(abs(this.#carried!)));
    const [now, asked] = await Promise.all([left.item(), this.#asked.item()]);
    left.dispose();
    this.alive = asked === 0 ? 0 : now / asked;
    return this.alive > this.#options.cutoff;
  }

  dispose(): void {
    this.#carried?.dispose();
    this.#asked.dispose();
  }
}

/** The largest entries of a row that comes in pieces, and the share that they hold. */
export class Ranking {
  #top: TopK | undefined;
  #total: Tensor | undefined; // Σ|row| so far

  constructor(readonly k: number) {}

  /** Numbers of positions start… (1 l). */
  add(row: Tensor, start: number): void {
    const before = { ...this.#top, total: this.#total };
    const next = scope(() => {
      const size = sumLast(row, 'abs');
      return {
        top: topK(row, { k: this.k, by: 'magnitude', among: this.#top, offset: start }),
        total: before.total ? add(before.total, size) : size,
      };
    });
    for (const tensor of Object.values(before)) tensor?.dispose();
    this.#top = next.top;
    this.#total = next.total;
  }

  async result(): Promise<{ top: { position: number; value: number }[]; share: number }> {
    const [values, indices, total] = await Promise.all([this.#top!.values.read(), this.#top!.indices.read(), this.#total!.item()]);
    const top = Array.from(indices, (index, i) => ({ position: index, value: values[i]! })).filter((entry) => entry.position >= 0);
    const held = top.reduce((size, { value }) => size + Math.abs(value), 0);
    return { top, share: total === 0 ? 1 : held / total };
  }

  dispose(): void {
    for (const tensor of [this.#total, ...Object.values(this.#top ?? {})] as (Tensor | undefined)[]) tensor?.dispose();
  }
}

/** (1 l d): ones at the last position, zeros before. */
function withLast(like: Tensor): Tensor {
  const [, length, channels] = like.shape as [number, number, number];
  const last = Tensor.full([1, 1, channels], 1, like.device);
  return length === 1 ? last : concat([Tensor.full([1, length - 1, channels], 0, like.device), last], 1);
}
