import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { mersenne } from 'pure-rand/generator/mersenne';
import type { Model } from '@hidden-attention/model';
import { likeliest, logSumExp, type Alternative } from './log-probabilities.js';
import type { GenerateOptions } from './options.js';
import { sampleToken } from './sample.js';
import { StopStrings } from './stop-strings.js';

/** Why a row ended: an end-of-sequence id, one of `stopIds` or `stopStrings`, or `maxTokens`. */
export type Ending = 'end' | 'stop' | 'length';

/** One token added to one row. */
export interface GeneratedToken {
  row: number;
  id: number;
  /** what has become readable by it, up to a stop string: present where a tokenizer was given */
  text?: string;
  /** log p of the id in nats, before temperature and penalties; present with `logProbabilities` */
  logProbability?: number;
  /** the likeliest ids in its place, as many as `logProbabilities` asks for */
  alternatives?: Alternative[];
  /** present on a row's last token: why it is the last. The id that ended a row counts among its tokens */
  finished?: Ending;
}

/** One row that is being continued: its random numbers, what stands in it, what ends it. */
export class Row {
  readonly #options: GenerateOptions;
  readonly #random: () => number;
  readonly #seen: Set<number>;
  readonly #ends: ReadonlySet<number>;
  readonly #stops: ReadonlySet<number>;
  readonly #decoder: { push(id: number): string; end(): string } | undefined;
  readonly #stopStrings: StopStrings;
  #count = 0;

  constructor(
    readonly row: number,
    model: Model,
    seen: Iterable<number>,
    options: GenerateOptions,
  ) {
    const generator = mersenne(((options.seed ?? 0) + row) | 0);
    this.#options = options;
    this.#random = () => uniformFloat64(generator);
    this.#seen = new Set(seen);
    this.#ends = new Set(options.ignoreEos ? [] : (options.endOfSequence ?? model.config.endOfSequence));
    this.#stops = new Set(options.stopIds);
    this.#decoder = options.tokenizer?.decoder();
    this.#stopStrings = new StopStrings(options.stopStrings ?? []);
  }

  /** The next token, chosen out of the logits (v) after the last one. */
  next(logits: Float32Array): GeneratedToken {
    const id = sampleToken(logits, this.#options, this.#random, this.#seen);
    this.#seen.add(id);
    this.#count++;
    const token: GeneratedToken = { row: this.row, id };
    let finished: Ending | undefined;
    if (this.#ends.has(id)) finished = 'end';
    else if (this.#stops.has(id)) finished = 'stop';
    else if (this.#count === this.#options.maxTokens) finished = 'length';
    if (this.#decoder) {
      const fresh = this.#decoder.push(id) + (finished ? this.#decoder.end() : '');
      const { text, stopped } = this.#stopStrings.push(fresh);
      if (stopped) finished = 'stop';
      token.text = text + (finished && !stopped ? this.#stopStrings.end() : '');
    }
    const { logProbabilities } = this.#options;
    if (logProbabilities !== undefined) {
      token.logProbability = logits[id]! - logSumExp(logits);
      token.alternatives = likeliest(logits, logProbabilities);
    }
    if (finished) token.finished = finished;
    return token;
  }
}
