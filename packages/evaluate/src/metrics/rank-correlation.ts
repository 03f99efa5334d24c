import { spearman } from '../correlation.js';
import type { Metric } from '../metric.js';

export const rankCorrelation: Metric = {
  name: 'spearman',
  summary: 'rank correlation of the scores',
  cite: 'Spearman 1904; as in Adebayo et al. 2018, arXiv 1810.03292',
  compare: ({ a, b }) => spearman(a, b),
};

/** Signs left out: what matters, whichever way. */
export const absoluteRankCorrelation: Metric = {
  name: 'spearman-abs',
  summary: 'rank correlation of the scores without their signs',
  cite: 'Adebayo et al. 2018, arXiv 1810.03292',
  compare: ({ a, b }) => spearman(a.map(Math.abs), b.map(Math.abs)),
};
