import { RunnerError } from './errors.js';

/** How the next token is chosen out of the logits. */
export interface SamplingOptions {
  /** 0, the default, takes the largest logit; otherwise logits are divided by it */
  temperature?: number;
  /** only the k likeliest tokens (Fan et al. 2018) */
  topK?: number;
  /** only the likeliest tokens that together reach probability p (Holtzman et al. 2020) */
  topP?: number;
  /** above 1: makes tokens that stand in the row already less likely (Keskar et al. 2019): positive logits divided by it, negative ones multiplied */
  repetitionPenalty?: number;
}

/**
 * Chooses a token: penalty, then temperature, then the likeliest k, then those of them that reach p, then one of these by its
 * probability. Equally likely tokens stand in the order of their ids.
 * @param logits (v), left as they are
 * @param random a uniform number in [0, 1); not called when greedy
 * @param seen ids that the repetition penalty applies to
 * @throws RunnerError when a logit is NaN or +∞, or all are −∞
 */
export function sampleToken(logits: Float32Array, options: SamplingOptions, random: () => number, seen: Iterable<number> = []): number {
  const { temperature = 0, topK = logits.length, topP = 1, repetitionPenalty = 1 } = options;
  refuseDamaged(logits);
  const penalized = repetitionPenalty === 1 ? logits : penalize(logits, seen, repetitionPenalty);
  const best = argmax(penalized);
  if (temperature === 0) return best;
  const likeliest = topK < logits.length ? largest(penalized, topK) : Array.from(penalized.keys());
  const all = likeliest.map((id) => ({ id, weight: Math.exp((penalized[id]! - penalized[best]!) / temperature) }));
  return draw(topP < 1 ? nucleus(all, topP) : all, random());
}

/** The id of the largest logit, the first of equals. */
export function argmax(logits: Float32Array): number {
  let best = 0;
  for (let id = 1; id < logits.length; id++) if (logits[id]! > logits[best]!) best = id;
  return best;
}

interface Candidate {
  id: number;
  /** in proportion to its probability */
  weight: number;
}

function refuseDamaged(logits: Float32Array): void {
  let some = false;
  for (let id = 0; id < logits.length; id++) {
    const logit = logits[id]!;
    if (!(logit < Infinity)) throw new RunnerError(`the logit of token ${id} is ${logit}; the model's weights or its state are damaged`);
    some ||= logit > -Infinity;
  }
  if (!some) throw new RunnerError(`all ${logits.length} logits are −∞; at least one token must be possible`);
}

function penalize(logits: Float32Array, seen: Iterable<number>, penalty: number): Float32Array {
  const result = Float32Array.from(logits);
  for (const id of new Set(seen)) result[id] = result[id]! > 0 ? result[id]! / penalty : result[id]! * penalty;
  return result;
}

/** The ids of the k largest logits, ascending; of equals, those with the smaller ids. */
function largest(logits: Float32Array, k: number): number[] {
  const threshold = logits.toSorted()[logits.length - k]!;
  let above = 0;
  for (const logit of logits) if (logit > threshold) above++;
  const ids: number[] = [];
  let equal = k - above;
  for (let id = 0; id < logits.length; id++) if (logits[id]! > threshold || (logits[id] === threshold && equal-- > 0)) ids.push(id);
  return ids;
}

/** The fewest candidates that together have at least share p of the weight, the likeliest first. */
function nucleus(candidates: readonly Candidate[], p: number): Candidate[] {
  const total = weightOf(candidates);
  // all that weigh less than this together weigh less than 1 − p, so they need not be sorted
  const negligible = ((1 - p) * total) / candidates.length;
  const sorted = candidates.filter(({ weight }) => weight >= negligible).sort((a, b) => b.weight - a.weight || a.id - b.id);
  let sofar = 0;
  const last = sorted.findIndex(({ weight }) => (sofar += weight) >= p * total);
  return last < 0 ? sorted : sorted.slice(0, last + 1);
}

function draw(candidates: readonly Candidate[], random: number): number {
  let left = random * weightOf(candidates);
  for (const { id, weight } of candidates) if ((left -= weight) < 0) return id;
  return candidates.findLast(({ weight }) => weight > 0)!.id; // rounding has left a little over
}

const weightOf = (candidates: readonly Candidate[]): number => candidates.reduce((sum, { weight }) => sum + weight, 0);
