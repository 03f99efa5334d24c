import type { GeneratedToken } from './row.js';

type Result = IteratorResult<GeneratedToken, void>;

/**
 * Tokens on their way from who makes them to who reads them. Unlike a generator function's, its `return` is heard at once, also
 * before the first token is asked for.
 */
export class TokenStream implements AsyncGenerator<GeneratedToken, void> {
  #tokens: GeneratedToken[] = [];
  #readers: { resolve(result: Result): void; reject(reason: unknown): void }[] = [];
  #failure: { reason: unknown } | undefined;
  #open = true;
  readonly #signal: AbortSignal | undefined;
  readonly #abort = (): void => this.fail(this.#signal!.reason);

  /** @param signal ends the stream with its reason; tokens that were not read yet are dropped */
  constructor(signal?: AbortSignal) {
    this.#signal = signal;
    signal?.addEventListener('abort', this.#abort);
    if (signal?.aborted) this.#abort();
  }

  /** Whether more tokens are wanted: until the last one, a failure, or the reader's leaving. */
  get open(): boolean {
    return this.#open;
  }

  /** One more token; the one that is `finished` is the last. */
  push(token: GeneratedToken): void {
    if (!this.#open) return;
    const reader = this.#readers.shift();
    if (reader) reader.resolve({ value: token, done: false });
    else this.#tokens.push(token);
    if (token.finished) this.#open = false;
    this.#settle();
  }

  /** Ends the stream, unless everything was read: whoever reads next gets `reason` thrown. */
  fail(reason: unknown): void {
    if (this.#complete) return;
    this.#failure = { reason };
    this.#end();
  }

  next(): Promise<Result> {
    const token = this.#tokens.shift();
    const result = new Promise<Result>((resolve, reject) => {
      if (token) resolve({ value: token, done: false });
      else this.#readers.push({ resolve, reject });
    });
    this.#settle();
    return result;
  }

  return(): Promise<Result> {
    this.#end();
    return Promise.resolve({ value: undefined, done: true });
  }

  throw(reason: unknown): Promise<Result> {
    this.#end();
    return Promise.reject(reason as Error);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  /** Whether all that came was read, and no more will come. */
  get #complete(): boolean {
    return !this.#open && this.#tokens.length === 0;
  }

  #end(): void {
    this.#open = false;
    this.#tokens = [];
    this.#settle();
  }

  /** Once nothing more comes: answers those who wait, and lets go of the signal. */
  #settle(): void {
    if (!this.#complete) return;
    this.#signal?.removeEventListener('abort', this.#abort);
    for (const reader of this.#readers.splice(0)) {
      const failure = this.#failure;
      this.#failure = undefined; // a failure is told once
      if (failure) reader.reject(failure.reason);
      else reader.resolve({ value: undefined, done: true });
    }
  }
}
