import { purposes, randomFor, shuffled } from '../random.js';
import { inPieces } from './data.js';

/** Steps whose rows are sorted by length together: more save padding, fewer mix better. */
const sortedTogether = 32;

/**
 * Each pass over `count` examples in a new order, rows of similar length in one step, so that little of a batch is padding. Rows of the
 * same length stay in the order that was drawn: files are often sorted by label, steps must not be. What does not fill a step waits for
 * another pass.
 * @param cost of an example: its length
 */
export function stepsByLength(
  count: number,
  cost: (row: number) => number,
  { rowsPerStep, seed }: { rowsPerStep: number; seed: number },
): { stepsPerEpoch: number; rowsOf(step: number): readonly number[]; epochOf(step: number): number } {
  const stepsPerEpoch = Math.floor(count / rowsPerStep);
  let known: { epoch: number; steps: number[][] } | undefined;
  const stepsOf = (epoch: number): number[][] => {
    if (known?.epoch === epoch) return known.steps;
    const random = randomFor(seed, epoch, purposes.order);
    const rows = shuffled(count, random).slice(0, stepsPerEpoch * rowsPerStep);
    const groups = inPieces(rows, sortedTogether * rowsPerStep).map((group) => group.sort((a, b) => cost(a) - cost(b)));
    const steps = groups.flatMap((group) => inPieces(group, rowsPerStep));
    known = { epoch, steps: shuffled(steps.length, random).map((i) => steps[i]!) };
    return known.steps;
  };
  const epochOf = (step: number): number => Math.floor(step / stepsPerEpoch);
  return { stepsPerEpoch, epochOf, rowsOf: (step) => stepsOf(epochOf(step))[step % stepsPerEpoch]! };
}
