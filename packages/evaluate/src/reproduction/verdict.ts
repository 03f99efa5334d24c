import { bootstrap, mean, pairedTest, type Interval, type Summary } from '../statistics.js';
import type { Held, Verdict } from './row.js';

/** A difference counts where fewer than one in twenty random swaps make one as large. */
const level = 0.05;

/** A number for people: whole numbers as they are, others in three significant digits; no exponent between 0.001 and 100,000. */
export function shown(value: number): string {
  if (Number.isInteger(value)) return value.toLocaleString('en');
  const size = Math.abs(value);
  if (size < 1e-3 || size >= 1e5) return value.toExponential(1).replace('e+', 'e');
  return String(Number(value.toPrecision(3)));
}

export const shownInterval = ({ value, low, high }: Interval): string => `${shown(value)} [${shown(low)}, ${shown(high)}]`;

/** What is compared: records of the same inputs, and the figure that they make. */
export interface Paired<R> {
  claim: string;
  published: string;
  /** 'larger': that the first's figure is larger; 'not-smaller': that it is no smaller, as far as these inputs can tell */
  expected: 'larger' | 'smaller' | 'not-smaller' | 'not-larger';
  first: { name: string; records: readonly R[] };
  second: { name: string; records: readonly R[] };
  figure: Summary<R>;
}

/** A claim that one thing's figure is larger, or smaller, than another's: by the paired test on the same inputs. */
export function compared<R>({ claim, published, expected, first, second, figure }: Paired<R>): Verdict {
  const each = (records: readonly R[]): R[][] => records.map((record) => [record]);
  const { difference, p } = pairedTest(each(first.records), each(second.records), figure);
  const told = (name: string, records: readonly R[]): string => `${name} ${shownInterval(bootstrap(each(records), figure))}`;
  const here = `${told(first.name, first.records)}, ${told(second.name, second.records)}; ${chance(p)}`;
  return { claim, published, here, held: decided(difference, p, expected) };
}

/** A claim that numbers, one an input, are on one side of a value: by random signs. */
export function onOneSide(
  claim: string,
  published: string,
  name: string,
  values: readonly number[],
  side: 'above' | 'below',
  value = 0,
): Verdict {
  const { difference, p } = pairedTest(
    values.map((own) => [own]),
    values.map(() => [value]),
    mean,
  );
  const here = `${name} ${shownInterval(
    bootstrap(
      values.map((own) => [own]),
      mean,
    ),
  )}; ${chance(p)}`;
  return { claim, published, here, held: decided(difference, p, side === 'above' ? 'larger' : 'smaller') };
}

/** A claim about one number that no sample stands behind: an error of arithmetic, a count. */
export const atMost = (claim: string, published: string, what: string, value: number, limit: number): Verdict => ({
  claim,
  published,
  here: `${what} ${shown(value)}; at most ${shown(limit)} counts as held`,
  held: value <= limit ? 'yes' : 'no',
});

export const atLeast = (claim: string, published: string, what: string, value: number, limit: number): Verdict => ({
  claim,
  published,
  here: `${what} ${shown(value)}; at least ${shown(limit)} counts as held`,
  held: value >= limit ? 'yes' : 'no',
});

const chance = (p: number): string => (p < 0.0015 ? 'p = 0.001' : `p = ${shown(p)}`);

function decided(difference: number, p: number, expected: Paired<unknown>['expected']): Held {
  const told = p < level;
  const larger = difference > 0;
  if (expected === 'not-smaller') return told && !larger ? 'no' : 'yes';
  if (expected === 'not-larger') return told && larger ? 'no' : 'yes';
  if (!told) return 'open';
  return larger === (expected === 'larger') ? 'yes' : 'no';
}

/** What a row's verdicts come to. */
export function overall(verdicts: readonly Verdict[]): string {
  const count = (held: Held): number => verdicts.filter((own) => own.held === held).length;
  const [yes, no, open] = [count('yes'), count('no'), count('open')];
  if (verdicts.length === 0) return 'not measured';
  if (yes === verdicts.length) return 'held';
  if (no === verdicts.length) return 'did not hold';
  if (open === verdicts.length) return 'cannot be told';
  return [yes > 0 ? `${yes} of ${verdicts.length} held` : '', no > 0 ? `${no} did not` : '', open > 0 ? `${open} cannot be told` : '']
    .filter(Boolean)
    .join(', ');
}
