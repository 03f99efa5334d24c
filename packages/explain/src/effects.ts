import type { RemovalRequest } from './removal.js';
import { removableOf } from './removable.js';
import { randomChoices } from './removal.js';

/** What removing some groups does, each by itself. */
export interface Effects {
  /** numbers of the groups that were removed */
  groups: number[];
  /** explained number before − after, one for each of them */
  effects: number[];
  /** groups that can be removed */
  of: number;
}

/** Positions that are run for the effects of one question, at most. */
const positionsAtMost = 2 ** 17;
/** With fewer groups a rank correlation says nothing. */
const groupsAtLeast = 4;

/**
 * Removes groups of positions one by one and sees how the explained number falls: all groups, or as many random ones as `most` and
 * the length of the text allow.
 * @returns undefined where there are too few groups, or the text is too long
 */
export async function removalEffects(
  request: Pick<RemovalRequest, 'model' | 'image' | 'ids' | 'target' | 'groups' | 'replaceWith' | 'seed'>,
  most = 32,
): Promise<Effects | undefined> {
  const subject = removableOf(request);
  const groups = request.groups ?? Array.from({ length: subject.length }, (_, position) => [position]);
  const free = subject.free(groups);
  const count = Math.min(free.length, most, Math.floor(positionsAtMost / Math.max(1, subject.length)));
  if (count < groupsAtLeast) return undefined;
  const chosen = count === free.length ? free : randomChoices(free, count, 1, request.seed ?? 0)[0]!.toSorted((a, b) => a - b);
  const { logit } = await subject.figures([[], ...chosen.map((group) => [...groups[group]!])]);
  return { groups: chosen, effects: logit.slice(1).map((after) => logit[0]! - after), of: free.length };
}

/** Ranks from 1 on; equals share the mean of theirs. */
function ranks(values: readonly number[]): number[] {
  const order = [...values.keys()].toSorted((a, b) => values[a]! - values[b]!);
  const result = new Array<number>(values.length);
  for (let from = 0; from < order.length;) {
    let to = from + 1;
    while (to < order.length && values[order[to]!] === values[order[from]!]) to++;
    for (const at of order.slice(from, to)) result[at] = (from + to + 1) / 2;
    from = to;
  }
  return result;
}

/** Spearman's rank correlation, −1 to 1; null where all of one side are equal. */
export function rankCorrelation(a: readonly number[], b: readonly number[]): number | null {
  const [x, y] = [ranks(a), ranks(b)];
  const mean = (a.length + 1) / 2;
  const product = (u: readonly number[], v: readonly number[]): number =>
    u.reduce((sum, value, at) => sum + (value - mean) * (v[at]! - mean), 0);
  const size = Math.sqrt(product(x, x) * product(y, y));
  return size === 0 ? null : product(x, y) / size;
}
