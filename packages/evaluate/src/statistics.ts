import { randomFor, wholeBelow } from './random.js';

/** A figure over many records: of one record a mean, of a data set's counts a ratio, whatever a protocol says. */
export type Summary<R> = (records: readonly R[]) => number;

export interface Interval {
  value: number;
  low: number;
  high: number;
}

const draws = 1000;

/** Mean; NaN of nothing. */
export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/**
 * A figure with its bootstrap interval of 95 % (percentiles of 1,000 resamples of the examples).
 * @param examples the records of each example, one a seed: an example is drawn with all of them
 */
export function bootstrap<R>(examples: readonly (readonly R[])[], summary: Summary<R>, seed = 0): Interval {
  return bootstrapFigures(examples, (records) => ({ figure: summary(records) }), seed)['figure']!;
}

/** Several figures with their intervals, of the same resamples. */
export function bootstrapFigures<R>(
  examples: readonly (readonly R[])[],
  summary: (records: readonly R[]) => Record<string, number>,
  seed = 0,
): Record<string, Interval> {
  const random = randomFor('bootstrap', seed);
  const resampled = Array.from({ length: draws }, () => summary(examples.flatMap(() => examples[wholeBelow(random, examples.length)]!)));
  return Object.fromEntries(
    Object.entries(summary(examples.flat())).map(([name, value]) => {
      const figures = resampled.map((own) => own[name] ?? NaN).sort((a, b) => a - b);
      const at = (share: number): number => figures[Math.min(draws - 1, Math.floor(share * draws))]!;
      return [name, { value, low: at(0.025), high: at(0.975) }];
    }),
  );
}

/** How two methods differ on the same examples. */
export interface Comparison {
  /** the first's figure less the second's */
  difference: number;
  /** share of 1,000 random swaps of the two methods' records, example by example, that differ as much: two-sided, with the one observed */
  p: number;
}

/** A paired permutation test: under its hypothesis it does not matter which of the two methods made an example's record. */
export function pairedTest<R>(
  first: readonly (readonly R[])[],
  second: readonly (readonly R[])[],
  summary: Summary<R>,
  seed = 0,
): Comparison {
  const difference = summary(first.flat()) - summary(second.flat());
  const random = randomFor('paired test', seed);
  let asLarge = 0;
  for (let draw = 0; draw < draws; draw++) {
    const swap = first.map(() => random() < 0.5);
    const one = first.flatMap((own, i) => (swap[i] ? second[i]! : own));
    const other = second.flatMap((own, i) => (swap[i] ? first[i]! : own));
    if (Math.abs(summary(one) - summary(other)) >= Math.abs(difference) - 1e-12) asLarge++;
  }
  return { difference, p: (asLarge + 1) / (draws + 1) };
}
