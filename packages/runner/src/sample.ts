import { RunnerError } from './errors.js';

/** How the next token is chosen out of the logits. */
export interface SamplingOptions {
  /** 0 (the default) takes the largest logit; otherwise logits are divided by it */
  temperature?: number;
  /** only the k most likely tokens */
  topK?: number;
  /** only the most likely tokens that together have probability p */
  topP?: number;
  /** > 1 makes tokens that already stand in the row less likely (Keskar et al. 2019): positive logits divided by it, negative multiplied */
  repetitionPenalty?: number;
}

/** @throws RunnerError naming the option that is out of its range */
export function checkSampling({ temperature = 0, topK, topP, repetitionPenalty = 1 }: SamplingOptions): void {
  const needs = (name: string, value: number, holds: boolean, what: string): void => {
    if (!holds) throw new RunnerError(`${name} is ${value}; ${what}`);
  };
  needs('temperature', temperature, temperature >= 0 && Number.isFinite(temperature), 'a number of at least 0 is needed (0 is greedy)');
  if (topK !== undefined) needs('topK', topK, Number.isInteger(topK) && topK >= 1, 'a whole number of at least 1 is needed');
  if (topP !== undefined) needs('topP', topP, topP > 0 && topP <= 1, 'a number above 0 and up to 1 is needed');
  needs('repetitionPenalty', repetitionPenalty, repetitionPenalty > 0 && Number.isFinite(repetitionPenalty), 'a number above 0 is needed');
}

/**
 * Chooses a token.
 * @param logits (v)
 * @param random a uniform number in [0, 1); not called when greedy
 * @param seen ids that the repetition penalty applies to
 * @throws RunnerError when a logit is NaN
 */
export function sampleToken(logits: Float32Array, options: SamplingOptions, random: () => number, seen: ReadonlySet<number> = new Set()): number {
  const { temperature = 0, topK, topP, repetitionPenalty = 1 } = options;
  const bad = logits.findIndex((logit) => Number.isNaN(logit));
  if (bad >= 0) throw new RunnerError(`the logit of token ${bad} is NaN; the model's weights or its state are damaged`);
  const penalized = repetitionPenalty === 1 ? logits : penalize(logits, seen, repetitionPenalty);
  if (temperature === 0) return argmax(penalized);

  const order = Array.from(penalized.keys()).sort((a, b) => penalized[b]! - penalized[a]! || a - b);
  const candidates = topK === undefined ? order : order.slice(0, topK);
  const largest = penalized[candidates[0]!]!;
  const weights = candidates.map((id) => Math.exp((penalized[id]! - largest) / temperature));
  let total = weights.reduce((sum, weight) => sum + weight, 0);
  let kept = candidates.length;
  if (topP !== undefined) {
    let sofar = 0;
    kept = weights.findIndex((weight) => (sofar += weight) >= topP * total) + 1 || kept;
    total = weights.slice(0, kept).reduce((sum, weight) => sum + weight, 0);
  }
  let left = random() * total;
  for (let i = 0; i < kept; i++) {
    left -= weights[i]!;
    if (left < 0) return candidates[i]!;
  }
  return candidates[kept - 1]!;
}

/** The id of the largest logit, the first of equals. */
export function argmax(logits: Float32Array): number {
  let best = 0;
  for (let id = 1; id < logits.length; id++) if (logits[id]! > logits[best]!) best = id;
  return best;
}

function penalize(logits: Float32Array, seen: ReadonlySet<number>, penalty: number): Float32Array {
  const result = Float32Array.from(logits);
  for (const id of seen) result[id] = result[id]! > 0 ? result[id]! / penalty : result[id]! * penalty;
  return result;
}
