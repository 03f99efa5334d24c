import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { mersenne } from 'pure-rand/generator/mersenne';
import type { Model } from '@hidden-attention/model';
import type { GenerateOptions } from './options.js';
import { sampleToken } from './sample.js';

/** Why a row ended: an end-of-sequence id, one of `stopIds`, or `maxTokens`. */
export type Ending = 'end' | 'stop' | 'length';

/** One token added to one row. */
export interface GeneratedToken {
  row: number;
  id: number;
  /** what has become readable by it: present where a tokenizer was given */
  text?: string;
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
  }

  /** The next token, chosen out of the logits (v) after the last one. */
  next(logits: Float32Array): GeneratedToken {
    const id = sampleToken(logits, this.#options, this.#random, this.#seen);
    this.#seen.add(id);
    this.#count++;
    const finished = this.#ends.has(id)
      ? 'end'
      : this.#stops.has(id)
        ? 'stop'
        : this.#count === this.#options.maxTokens
          ? 'length'
          : undefined;
    const token: GeneratedToken = { row: this.row, id };
    if (this.#decoder) token.text = this.#decoder.push(id) + (finished ? this.#decoder.end() : '');
    if (finished) token.finished = finished;
    return token;
  }
}
