import type { Metric } from '../metric.js';
import { Named } from '../named.js';
import { gradients } from './gradients.js';
import { absoluteRankCorrelation, rankCorrelation } from './rank-correlation.js';
import { structure } from './structure.js';
import { topOverlap } from './top-overlap.js';

const metrics = new Named<Metric>('metric', [rankCorrelation, absoluteRankCorrelation, structure, gradients, topOverlap]);

/**
 * Makes a way to compare maps known: protocols that compare maps report it from then on.
 * @throws EvaluateError when the name is taken, unless `overwrite`, or not in lower case with hyphens
 */
export function registerMetric(metric: Metric, options: { overwrite?: boolean } = {}): void {
  metrics.add(metric, options.overwrite);
}

/** All registered ways to compare maps. */
export const listMetrics = (): Metric[] => metrics.list();
