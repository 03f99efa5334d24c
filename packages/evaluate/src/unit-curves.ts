import type { Case } from './case.js';
import type { Fill } from './choices.js';

/** Eleven shares from 0 to 1. */
export const tenths: readonly number[] = Array.from({ length: 11 }, (_, i) => i / 10);

/**
 * The answers while more and more of the free units are removed.
 * @param order free units, first to go first
 * @param shares of them, 0 to 1; with fill 'cut' one unit stays
 */
export async function answersAlong(item: Case, order: readonly number[], shares: readonly number[], fill: Fill): Promise<Float32Array[]> {
  const most = fill === 'cut' && order.length === item.units.length ? order.length - 1 : order.length;
  const removals = shares.map((share) => order.slice(0, Math.min(most, Math.round(share * order.length))));
  return item.answersWithout(removals, { fill });
}

/** The free units of a case in the order of a ranking of all. */
export const onlyFree = (item: Case, order: readonly number[]): number[] => {
  const free = new Set(item.free);
  return order.filter((unit) => free.has(unit));
};
