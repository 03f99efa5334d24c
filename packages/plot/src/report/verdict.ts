import { mean } from 'd3-array';
import { percent } from '../numbers.js';
import type { Check } from './types.js';
import { counted, plural } from './unit.js';

/**
 * How a map did in its check:
 * - `found`: taking out its top words hurts the answer more than every random draw did, and by at least five points;
 * - `slight`: more than every random draw, but the answer hardly moves;
 * - `chance`: worse than the average random draw, but not than every one;
 * - `missed`: no worse than the average random draw;
 * - `untested`: there were no random draws to compare with.
 */
export type Outcome = 'found' | 'slight' | 'chance' | 'missed' | 'untested';

export interface Verdict {
  readonly outcome: Outcome;
  /** A sign, so that the outcome does not hang on colour. */
  readonly sign: string;
  /** Two to five words. */
  readonly short: string;
  /** The numbers, and what follows from them. */
  readonly sentence: string;
}

/** Loss of probability (share of one) below which an answer hardly moved. */
const MOVED = 0.05;

/** `UNIT` stands for words, tokens or patches. */
const WORDS: Readonly<Record<Outcome, readonly [sign: string, short: string, conclusion: string]>> = {
  found: ['✓', 'found what matters', 'This map found UNIT that the answer hangs on.'],
  slight: ['✓', 'points the right way', 'This map points the right way, but the answer does not hang on so few UNIT.'],
  chance: ['≈', 'little better than chance', 'That is within reach of chance: some random removals did as much.'],
  missed: ['✗', 'did not find it', 'This map did not find what the answer hangs on.'],
  untested: ['–', 'not compared', 'There were no random removals to compare with.'],
};

function outcomeOf({ probability, logit }: Check): Outcome {
  if (probability.random.length === 0) return 'untested';
  // Probabilities of a very sure model round to one; the logit still tells them apart.
  const saturated = probability.random.every((value) => Math.abs(value - probability.top) < 1e-6) && logit.random.length > 0;
  const { top, random } = saturated ? logit : probability;
  if (top >= mean(random)!) return 'missed';
  if (top >= Math.min(...random)) return 'chance';
  return probability.original - probability.top < MOVED ? 'slight' : 'found';
}

/** The verdict on a map, computed from its check alone. */
export function verdict(check: Check): Verdict {
  const { probability, removed, unit } = check;
  const outcome = outcomeOf(check);
  const [sign, short, conclusion] = WORDS[outcome];
  const { original, top, random } = probability;
  const moves = `Removing the ${counted(removed, unit)} this map ranks highest moves the answer from ${percent(original)} to ${percent(top)}`;
  const compared = random.length > 0 ? `; random ${plural(unit)}: ${percent(mean(random)!)}` : '';
  return { outcome, sign, short, sentence: `${moves}${compared}. ${conclusion.replace('UNIT', plural(unit))}` };
}
