import type { Case, MapRequest } from './case.js';
import type { Figure } from './protocol.js';
import { figureOf } from './metric.js';
import { listMetrics } from './metrics/registry.js';

/** How alike two maps of a case are, by every registered metric that can say so. */
export async function compareMaps(item: Case, one: MapRequest, other: MapRequest): Promise<Record<string, number>> {
  const [a, b] = [await item.unitScores(one), await item.unitScores(other)];
  const pixels = item.pixels && { a: await item.pixelScores(one), b: await item.pixelScores(other), size: item.pixels };
  return Object.fromEntries(
    listMetrics().flatMap((metric) => {
      const value = metric.compare({ a, b, ...(pixels ? { pixels } : {}) });
      return value === undefined ? [] : [[metric.name, value]];
    }),
  );
}

/** The same of several pairs: means, metric by metric. */
export function meanOf(comparisons: readonly Record<string, number>[]): Record<string, number> {
  const names = Object.keys(comparisons[0] ?? {});
  return Object.fromEntries(names.map((name) => [name, comparisons.reduce((sum, own) => sum + own[name]!, 0) / comparisons.length]));
}

/** Every registered metric as a figure. */
export const metricFigures = (better: Figure['better'], what: string): Figure[] =>
  listMetrics().map((metric) => figureOf(metric, better, what));
