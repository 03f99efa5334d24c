import type { Metric } from '../metric.js';
import { ranked } from '../ranking.js';

/** Share of the places among the top tenth of one map that are among that of the other. */
export const topOverlap: Metric = {
  name: 'top-overlap',
  summary: 'share of the top tenth that both maps have',
  cite: 'intersection of the top k, as in Ghorbani, Abid, Zou 2019, arXiv 1710.10547',
  compare({ a, b }) {
    const count = Math.max(1, Math.ceil(a.length / 10));
    const other = new Set(ranked(b).slice(0, count));
    return (
      ranked(a)
        .slice(0, count)
        .filter((at) => other.has(at)).length / count
    );
  },
};
