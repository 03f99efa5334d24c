import type { Tokenizer } from '@hidden-attention/checkpoint';
import type { Model, PassObserver } from '@hidden-attention/model';
import { RunnerError } from './errors.js';
import type { SamplingOptions } from './sample.js';

/** How far and in which way to continue. */
export interface GenerateOptions extends SamplingOptions {
  /** tokens to add to each row, at most */
  maxTokens: number;
  /**
   * Row r draws from the stream of random numbers of seed + r, whatever the other rows are: alone, it is repeated with seed + r.
   * @default 0
   */
  seed?: number;
  /** go on past the model's end-of-sequence ids */
  ignoreEos?: boolean;
  /** ids that end a row in place of the model's own end-of-sequence ids */
  endOfSequence?: readonly number[];
  /** further ids that end a row */
  stopIds?: readonly number[];
  /** texts that end a row where they come up; they and what follows are left out of `text`. They need a tokenizer */
  stopStrings?: readonly string[];
  /** gives each token its log-probability, and this many of the likeliest ids in its place (0 for none) */
  logProbabilities?: number;
  /**
   * guess up to so many tokens ahead where the text repeats itself, and read them in one pass: the same tokens, sooner, where much of the
   * prompt comes again. For one prompt
   */
  speculate?: number;
  /** sees what every pass captures, before the token that follows it is given: live attention. For one prompt */
  observer?: PassObserver;
  /** adds the text to each token, as far as it makes whole characters */
  tokenizer?: Pick<Tokenizer, 'decoder'>;
  /** ends the stream with the signal's reason, between two steps */
  signal?: AbortSignal;
}

/**
 * Refuses options that are out of their range, before any work.
 * @throws RunnerError naming the option, the value seen and the value needed
 */
export function checkOptions(model: Model, options: GenerateOptions): void {
  const { maxTokens, seed = 0, temperature = 0, topK = 1, topP = 1, repetitionPenalty = 1, endOfSequence = [], stopIds = [] } = options;
  const { stopStrings = [], logProbabilities = 0, speculate = 1, tokenizer } = options;
  const needs = (name: string, value: unknown, holds: boolean, what: string): void => {
    if (!holds) throw new RunnerError(`${name} is ${String(value)}; ${what} is needed`);
  };
  needs('maxTokens', maxTokens, Number.isInteger(maxTokens) && maxTokens >= 1, 'a whole number of at least 1');
  needs('temperature', temperature, temperature >= 0 && Number.isFinite(temperature), 'a number of at least 0 (0 is greedy)');
  needs('topK', topK, Number.isInteger(topK) && topK >= 1, 'a whole number of at least 1');
  needs('topP', topP, topP > 0 && topP <= 1, 'a number above 0 and up to 1');
  needs('repetitionPenalty', repetitionPenalty, repetitionPenalty > 0 && Number.isFinite(repetitionPenalty), 'a number above 0');
  needs('seed', seed, Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32, 'a whole number from 0 to 4294967295');
  needs('logProbabilities', logProbabilities, Number.isInteger(logProbabilities) && logProbabilities >= 0, 'a whole number of at least 0');
  needs('speculate', speculate, Number.isInteger(speculate) && speculate >= 1 && speculate <= 256, 'a whole number from 1 to 256');
  needs(
    'stopStrings',
    JSON.stringify(stopStrings),
    stopStrings.every((stop) => stop.length > 0),
    'a list of texts that are not empty',
  );
  if (stopStrings.length > 0 && !tokenizer)
    throw new RunnerError('stopStrings are given without a tokenizer; they are found in the text that it makes');
  const { vocabSize, head } = model.config;
  for (const [name, ids] of Object.entries({ endOfSequence, stopIds })) {
    for (const id of ids)
      needs(name, ids.join(', '), Number.isInteger(id) && id >= 0 && id < vocabSize, `a list of ids from 0 to ${vocabSize - 1}`);
  }
  if (head.kind !== 'language-model')
    throw new RunnerError('the model is a classifier; generating needs a model with a language-model head');
}

/**
 * Refuses a text that would grow beyond the positions that a model has.
 * @throws RunnerError naming them, and what to do
 */
export function checkPositions({ config }: Model, read: number, more: number): void {
  const { maxPositions } = config;
  if (maxPositions !== undefined && read + more > maxPositions)
    throw new RunnerError(
      `${read} positions and up to ${more} more were asked for; this model has ${maxPositions}. Ask for fewer tokens or shorten the prompt`,
    );
}
