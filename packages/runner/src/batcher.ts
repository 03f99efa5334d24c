import { disposeState, joinRows, selectRows, type Model, type ModelState } from '@hidden-attention/model';
import { scope } from '@hidden-attention/tensor';
import { advance } from './advance.js';
import { Decoder } from './decoder.js';
import { RunnerError } from './errors.js';
import { checkOptions, checkPositions, type GenerateOptions } from './options.js';
import { Row, type GeneratedToken } from './row.js';

export interface BatcherOptions {
  /** sequences that step together, at most; further ones wait. Default 8 */
  maxRows?: number;
  /** ids of a prompt that are read between two steps of the others. Default 512 */
  promptPiece?: number;
}

/** One sequence: what was asked, how far it is, and the tokens that nobody has fetched yet. */
class Request {
  readonly row: Row;
  readonly tokens: GeneratedToken[] = [];
  /** ids of the prompt that were read, and the state after them */
  read = 0;
  state: ModelState | undefined;
  /** the last id, to be read by the next step */
  last = 0;
  over = false;
  error: unknown;
  #wake: () => void = () => undefined;

  constructor(
    model: Model,
    readonly prompt: readonly number[],
    readonly options: GenerateOptions,
  ) {
    this.row = new Row(0, model, prompt, options);
  }

  /** Chooses a token after these logits. */
  next(logits: Float32Array): void {
    const token = this.row.next(logits);
    this.last = token.id;
    this.tokens.push(token);
    if (token.finished) this.over = true;
    this.#wake();
  }

  end(error?: unknown): void {
    if (error !== undefined) this.error = error;
    this.over = true;
    this.#wake();
  }

  /** When there is a token, or the end. */
  async ready(): Promise<void> {
    if (this.tokens.length === 0 && !this.over) await new Promise<void>((resolve) => (this.#wake = resolve));
  }
}

/**
 * Many sequences that begin and end when they like, their steps taken together: a sequence joins the batch when its prompt was read,
 * a piece between two steps of the others, and leaves it at its end. Each gets the tokens that `generate` would give it alone. Without
 * sequences it does nothing and holds nothing.
 */
export class Batcher implements Disposable {
  readonly #model: Model;
  readonly #maxRows: number;
  readonly #promptPiece: number;
  readonly #waiting: Request[] = [];
  #running: Request[] = [];
  #decoder: Decoder | undefined;
  #turning = false;
  #disposed = false;

  /** @throws RunnerError for an option out of range */
  constructor(model: Model, { maxRows = 8, promptPiece = 512 }: BatcherOptions = {}) {
    for (const [name, value] of Object.entries({ maxRows, promptPiece }))
      if (!Number.isInteger(value) || value < 1) throw new RunnerError(`${name} is ${value}; a whole number of at least 1 is needed`);
    this.#model = model;
    this.#maxRows = maxRows;
    this.#promptPiece = promptPiece;
  }

  /** Sequences that are not at their end. */
  get size(): number {
    return this.#waiting.length + this.#running.length;
  }

  /**
   * Continues a prompt beside the others. Breaking out of the loop, or the signal, ends this sequence alone.
   * @param prompt ids, at least one
   * @param options as of `generate`, without an observer
   * @throws RunnerError and ModelError as `generate` does, before work starts
   */
  submit(prompt: ArrayLike<number>, options: Omit<GenerateOptions, 'observer'>): AsyncGenerator<GeneratedToken, void> {
    if (this.#disposed) throw new RunnerError('the batcher was disposed of; make another one');
    checkOptions(this.#model, options);
    checkPositions(this.#model, prompt.length, options.maxTokens - 1);
    scope(() => void this.#model.batch([prompt]));
    options.signal?.throwIfAborted();
    const request = new Request(this.#model, Array.from(prompt), options);
    this.#waiting.push(request);
    void this.#turn();
    return this.#stream(request);
  }

  async *#stream(request: Request): AsyncGenerator<GeneratedToken, void> {
    const { signal } = request.options;
    const abort = (): void => request.end(signal!.reason);
    signal?.addEventListener('abort', abort);
    try {
      for (;;) {
        await request.ready();
        if (request.error !== undefined) throw request.error;
        const token = request.tokens.shift();
        if (!token) return;
        yield token;
      }
    } finally {
      signal?.removeEventListener('abort', abort);
      request.end();
    }
  }

  /** One turn after another while there is work: a piece of a prompt, then a step of all that run. */
  async #turn(): Promise<void> {
    if (this.#turning) return;
    this.#turning = true;
    try {
      while (!this.#disposed && this.size > 0) {
        this.#drop();
        await this.#readPrompt();
        if (!this.#disposed) await this.#step();
      }
    } catch (error) {
      // a device that failed fails everybody
      for (const request of [...this.#waiting.splice(0), ...this.#running.splice(0)]) this.#free(request, error);
    } finally {
      this.#turning = false;
      if (this.#disposed) for (const request of this.#waiting.splice(0)) this.#free(request);
      if (this.#running.length === 0) this.#stop();
    }
  }

  /** Takes out sequences that are at their end. */
  #drop(): void {
    for (const request of this.#waiting.filter(({ over }) => over)) {
      this.#waiting.splice(this.#waiting.indexOf(request), 1);
      this.#free(request);
    }
    const going = this.#running.flatMap(({ over }, at) => (over ? [] : [at]));
    if (going.length === this.#running.length) return;
    const state = going.length > 0 ? selectRows(this.#decoder!.state, going) : undefined;
    this.#running = going.map((at) => this.#running[at]!);
    this.#replace(state);
  }

  /** Reads a piece of the first prompt that waits, where there is room; when it was read whole the sequence joins the others. */
  async #readPrompt(): Promise<void> {
    const [request] = this.#waiting;
    if (!request || this.#running.length >= this.#maxRows) return;
    const end = Math.min(request.prompt.length, request.read + this.#promptPiece);
    const { logits, state } = await advance(this.#model, [request.prompt.slice(request.read, end)], request.state);
    if (request.state) disposeState(request.state);
    request.state = state;
    request.read = end;
    if (end < request.prompt.length || request.over) return;
    this.#waiting.shift();
    request.next(logits[0]!);
    if (request.over) return this.#free(request);
    const joined = this.#decoder ? joinRows([this.#decoder.state, state]) : selectRows(state, [0]);
    this.#free(request);
    this.#running.push(request);
    this.#replace(joined);
  }

  async #step(): Promise<void> {
    if (this.#running.length === 0) return;
    const rows = [...this.#running];
    const logits = await this.#decoder!.step(rows.map(({ last }) => last));
    rows.forEach((request, at) => {
      if (!request.over) request.next(logits[at]!);
    });
  }

  #replace(state: ModelState | undefined): void {
    this.#stop();
    if (state) this.#decoder = new Decoder(this.#model, state);
  }

  #stop(): void {
    this.#decoder?.dispose();
    this.#decoder = undefined;
  }

  /** Frees what a request holds of its own; with an error, ends it. */
  #free(request: Request, error?: unknown): void {
    if (request.state) disposeState(request.state);
    request.state = undefined;
    if (error !== undefined) request.end(error);
  }

  /** Ends all sequences. */
  dispose(): void {
    this.#disposed = true;
    const gone = new RunnerError('the batcher was disposed of while sequences were running');
    for (const request of [...this.#waiting, ...this.#running]) request.end(gone);
    if (!this.#turning) for (const request of this.#waiting.splice(0)) this.#free(request);
    this.#running = [];
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
