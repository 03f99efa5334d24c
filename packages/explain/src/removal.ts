import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { ExplainError } from './errors.js';
import { removableOf, type RemovalSubject } from './removable.js';

/** What is removed from which text, and of which answer the change is reported. */
export interface RemovalRequest extends RemovalSubject {
  /** what can be removed, each a list of positions; default: each position by itself. A language model's last position always stays, of a span all from the one before it */
  groups?: readonly (readonly number[])[];
  /** one or several rankings: a score a group, the highest is removed first */
  rankings: readonly ArrayLike<number>[];
  /** the share of the groups to remove, rounded up; at least one group stays. Default 0.1 */
  share?: number;
  /** how many random removals; default 5 */
  draws?: number;
  /** default 0 */
  seed?: number;
}

/** A figure before and after: with the top-ranked groups removed, the lowest-ranked, and random ones (one number a draw). */
export interface Removal {
  original: number;
  top: number;
  lowest: number;
  random: number[];
}

/** How the answer changes. `logit` is the explained number, be it a logit or what else the target is. */
export interface RemovalReport {
  /** groups removed, of groups that can be */
  removed: number;
  of: number;
  probability: Removal;
  logit: Removal;
}

/**
 * Checks rankings against the model: removes the top-ranked, the lowest-ranked and as many random inputs, and reports what
 * becomes of the target's probability and logit. A map that knows what matters has `top` fall far below `random`. The random
 * removals are the same for all rankings. Ties are broken by place.
 * @throws ExplainError when fewer than two groups can be removed, or a ranking has another number of scores than there are groups
 */
export async function removal(request: RemovalRequest): Promise<RemovalReport[]> {
  const { rankings, share = 0.1, draws = 5, seed = 0 } = request;
  const subject = removableOf(request);
  const groups = request.groups ?? Array.from({ length: subject.length }, (_, position) => [position]);
  for (const [index, ranking] of rankings.entries()) {
    if (ranking.length !== groups.length)
      throw new ExplainError(`removal: ranking ${index} has ${ranking.length} scores; there are ${groups.length} groups to rank`);
  }
  if (!(share > 0 && share <= 1)) throw new ExplainError(`removal: share is ${share}; it must lie between 0 and 1`);
  const free = subject.free(groups);
  if (free.length < 2) throw new ExplainError(`removal: ${free.length} of ${groups.length} groups can be removed; at least two are needed`);
  const count = Math.min(free.length - 1, Math.ceil(share * free.length));

  const ranked = rankings.map((ranking) => free.toSorted((a, b) => ranking[b]! - ranking[a]! || a - b));
  const removals = [
    [],
    ...randomChoices(free, count, draws, seed),
    ...ranked.flatMap((order) => [order.slice(0, count), order.slice(-count)]),
  ];
  const figures = await subject.figures(removals.map((chosen) => chosen.flatMap((group) => groups[group]!)));
  const report = (of: readonly number[], index: number): Removal => {
    const at = 1 + draws + 2 * index;
    return { original: of[0]!, top: of[at]!, lowest: of[at + 1]!, random: of.slice(1, 1 + draws) };
  };
  return rankings.map((_, index) => ({
    removed: count,
    of: free.length,
    probability: report(figures.probability, index),
    logit: report(figures.logit, index),
  }));
}

/** `draws` random choices of `count` of the groups, each without repetition. */
export function randomChoices(groups: readonly number[], count: number, draws: number, seed: number): number[][] {
  const generator = xoroshiro128plus(seed);
  return Array.from({ length: draws }, () => {
    const deck = [...groups];
    for (let i = 0; i < count; i++) {
      const other = uniformInt(generator, i, deck.length - 1);
      [deck[i], deck[other]] = [deck[other]!, deck[i]!];
    }
    return deck.slice(0, count);
  });
}
