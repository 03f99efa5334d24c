import { fullName, optionsFor, Question, type Explainer, type ImageInput, type Relevance } from '@hidden-attention/explain';
import type { Model } from '@hidden-attention/model';
import { EvaluateError } from './errors.js';
import { randomFor } from './random.js';

/** What a ranker is asked: the explainer's question, and what the baselines go by instead. */
export interface RankRequest {
  model: Model;
  input: Int32Array | ImageInput;
  target: number;
  /** number of scores that are needed: class tokens of an image left out */
  positions: number;
  /** how much of each position belongs to the known answer, where it is known */
  truth: ArrayLike<number> | undefined;
  /** what makes this map another one than that of the same example elsewhere in the protocol */
  draw: readonly (number | string)[];
}

/** What gives positions scores: an explainer with its options, or a baseline that every table shows beside them. */
export interface Ranker {
  /** what its rows are called */
  name: string;
  /** undefined of a baseline */
  explainer?: Explainer;
  options?: object;
  signed: boolean;
  complete: boolean;
  /** one score a position: class tokens included, as explainers give them */
  rank(request: RankRequest): Promise<Relevance>;
}

/**
 * An explainer with its options; those left out are the method's own.
 * @throws UnknownNameError for an option that it does not have, or a value that does not fit
 */
export function rankerOf(explainer: Explainer, given: object = {}, name: string = fullName(explainer)): Ranker {
  const { signed, complete = false } = explainer;
  const options = optionsFor([explainer], { [`${explainer.name}:${explainer.variant ?? 'paper'}`]: { ...given } })[0]!;
  return {
    name,
    explainer,
    options,
    signed: typeof signed === 'function' ? signed(options) : signed,
    complete: typeof complete === 'function' ? complete(options) : complete,
    async rank({ model, input, target }) {
      const question = new Question(model, input, target);
      try {
        return await explainer.explain(question, options);
      } finally {
        await question.dispose();
      }
    },
  };
}

/** Knows nothing: uniform numbers, new ones for each map that is asked for. What a method must beat. */
export const random: Ranker = {
  name: 'random',
  signed: false,
  complete: false,
  async rank({ draw, positions }) {
    const next = randomFor('random map', ...draw);
    return { scores: Float64Array.from({ length: positions }, () => next()) };
  },
};

/** Knows the answer: the truth itself, whatever the model does. Where a protocol measures how well the truth is found, nothing is better. */
export const oracle: Ranker = {
  name: 'oracle',
  signed: false,
  complete: false,
  async rank({ truth }) {
    if (!truth) throw new EvaluateError('the oracle was asked about an example of which no truth is known');
    return { scores: truth };
  },
};

export const baselines: readonly Ranker[] = [random, oracle];

/** The same method with another seed, where it has one; baselines draw by themselves. */
export function reseeded(ranker: Ranker, seed: number): Ranker {
  const { explainer, options = {}, name } = ranker;
  if (!explainer || !('seed' in options)) return ranker;
  return { ...rankerOf(explainer, { ...options, seed }, `${name}, seed ${seed}`) };
}
