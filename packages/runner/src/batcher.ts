import { disposeState, isCache, joinRows, selectRows, type Model, type ModelState } from '@hidden-attention/model';
import { scope } from '@hidden-attention/tensor';
import { advance, positionsPerPass } from './advance.js';
import { Decoder } from './decoder.js';
import { RunnerError } from './errors.js';
import { checkOptions, checkPositions, type GenerateOptions } from './options.js';
import { Row, type GeneratedToken } from './row.js';
import { TokenStream } from './token-stream.js';

export interface BatcherOptions {
  /** requests that are worked on at a time, at most; others wait their turn. @default 8 */
  maxRows?: number;
  /** ids of prompts, all rows together, that are read between two steps: what running rows have to wait for. @default 512 */
  promptPiece?: number;
}

/** A request, and where it stands. */
interface Request {
  readonly prompt: Int32Array;
  readonly row: Row;
  readonly stream: TokenStream;
  /** positions of its text that have been read */
  length: number;
  /** after them, as long as the prompt is being read */
  state: ModelState | undefined;
  /** the newest, which no step has read yet */
  token: GeneratedToken | undefined;
}

/**
 * Continuous batching (Yu et al. 2022, section 3.1): requests that come and end at different times share steps. A prompt is read in
 * pieces between the steps of the rows that run; then its row joins them, and leaves when it is finished. Each request gets what
 * `generate` gives it alone. Without requests a batcher holds no memory and does nothing.
 */
export class Batcher implements AsyncDisposable {
  readonly model: Model;
  readonly #maxRows: number;
  readonly #promptPiece: number;
  #waiting: Request[] = [];
  /** those whose prompts are being read: the first is next, with those that have come as far as it */
  #reading: Request[] = [];
  /** the rows of the decoder */
  #running: Request[] = [];
  #decoder: Decoder | undefined;
  #work: Promise<void> | undefined;
  #disposed = false;

  /** @throws RunnerError for options out of range */
  constructor(model: Model, { maxRows = 8, promptPiece = 512 }: BatcherOptions = {}) {
    if (!Number.isInteger(maxRows) || maxRows < 1) throw new RunnerError(`maxRows is ${maxRows}; a whole number of at least 1 is needed`);
    if (!Number.isInteger(promptPiece) || promptPiece < 1 || promptPiece > positionsPerPass)
      throw new RunnerError(
        `promptPiece is ${promptPiece}; a whole number from 1 to ${positionsPerPass}, the positions of a pass, is needed`,
      );
    this.model = model;
    this.#maxRows = maxRows;
    this.#promptPiece = promptPiece;
  }

  /** Requests that are not at their end. */
  get size(): number {
    return [...this.#waiting, ...this.#reading, ...this.#running].filter(isOpen).length;
  }

  /**
   * Continues a prompt as `generate` does alone; `row` is 0. Tokens are made whether or not they are waited for. Leaving the loop
   * takes the row out before the next step, the signal too; what fails in one request is thrown to its reader alone.
   * @param prompt ids, at least one
   * @throws RunnerError for an option out of range, ModelError for bad ids, before work starts
   */
  submit(prompt: ArrayLike<number>, options: Omit<GenerateOptions, 'observer'>): AsyncGenerator<GeneratedToken, void> {
    if (this.#disposed) throw new RunnerError('the batcher was disposed of; make another one');
    if ((options as GenerateOptions).observer) throw new RunnerError('an observer follows passes over one row; use generate');
    checkOptions(this.model, options);
    checkPositions(this.model, prompt.length, options.maxTokens - 1);
    scope(() => void this.model.batch([prompt]));
    const ids = Int32Array.from(prompt);
    const stream = new TokenStream(options.signal);
    const row = new Row(0, this.model, ids, options);
    this.#waiting.push({ prompt: ids, row, stream, length: 0, state: undefined, token: undefined });
    this.#work ??= this.#run();
    return stream;
  }

  /** Ends all requests with a RunnerError; resolves when everything is freed. */
  async dispose(): Promise<void> {
    this.#disposed = true;
    const ended = new RunnerError('the batcher was disposed of before the text was complete');
    for (const { stream } of [...this.#waiting, ...this.#reading, ...this.#running].filter(isOpen)) stream.fail(ended);
    await this.#work;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  async #run(): Promise<void> {
    await undefined; // what is submitted in one go is read together
    for (;;) {
      this.#admit();
      if (this.#reading.length === 0 && !this.#decoder) break;
      this.#regroup(await this.#read());
      await this.#step();
    }
    this.#work = undefined;
  }

  #admit(): void {
    this.#waiting = this.#waiting.filter(isOpen);
    const taken = this.#reading.length + this.#running.filter(isOpen).length;
    this.#reading.push(...this.#waiting.splice(0, this.#maxRows - taken));
  }

  /** One pass over prompts that have come equally far. Gives the requests that are ready to run, their first token made. */
  async #read(): Promise<Request[]> {
    const [first] = this.#reading;
    if (!first) return [];
    const together = this.#reading.filter(({ length }) => length === first.length);
    const others = this.#reading.filter(({ length }) => length !== first.length);
    await this.#readPieces(together, Math.max(1, Math.floor(this.#promptPiece / together.length)));
    for (const request of together) if (!request.stream.open) free(request);
    const open = together.filter(isOpen);
    // those with more to read go behind the others, so that a long prompt does not hold up short ones
    this.#reading = [...others, ...open.filter(({ token }) => !token)];
    return open.filter(({ token }) => token);
  }

  async #readPieces(requests: readonly Request[], size: number): Promise<void> {
    const pieces = requests.map(({ prompt, length }) => prompt.subarray(length, length + size));
    try {
      const { states, logits } = await this.#advance(requests, pieces);
      for (const [i, request] of requests.entries()) {
        free(request);
        request.state = states[i]!;
        request.length += pieces[i]!.length;
        if (request.length === request.prompt.length) choose(request, logits[i]!);
      }
    } catch (error) {
      if (requests.length === 1) requests[0]!.stream.fail(error);
      else for (const request of requests) await this.#readPieces([request], size); // only the one at fault is to fail
    }
  }

  async #advance(requests: readonly Request[], pieces: Int32Array[]): Promise<{ states: ModelState[]; logits: Float32Array[] }> {
    const before = requests[0]!.state && joinRows(requests.map(({ state }) => state!));
    let after: ModelState | undefined;
    try {
      const { state, logits } = await advance(this.model, pieces, before);
      after = state;
      const states = scope(() => requests.map(({ length }, i) => filled(selectRows(state, [i]), length + pieces[i]!.length)));
      return { states, logits };
    } finally {
      for (const state of [before, after]) if (state) disposeState(state);
    }
  }

  /** Takes out the rows that are finished and puts in those that are ready. */
  #regroup(ready: readonly Request[]): void {
    const staying = this.#running.filter(isOpen);
    if (ready.length === 0 && staying.length === this.#running.length) return;
    try {
      const next = [...staying, ...ready];
      const decoder = next.length > 0 ? new Decoder(this.model, this.#stateOf(staying, ready)) : undefined;
      this.#decoder?.dispose();
      this.#decoder = decoder;
      this.#running = next;
    } catch (error) {
      if (ready.length === 0) this.#failRunning(error);
      else for (const { stream } of ready) stream.fail(error); // the rows that run go on
    } finally {
      ready.forEach(free);
    }
  }

  #stateOf(staying: readonly Request[], ready: readonly Request[]): ModelState {
    return scope(() => {
      const rows = staying.map((request) => this.#running.indexOf(request));
      const length = Math.max(...staying.map((request) => request.length));
      const running = rows.length > 0 ? [filled(selectRows(this.#decoder!.state, rows), length)] : [];
      return joinRows([...running, ...ready.map(({ state }) => state!)]);
    });
  }

  async #step(): Promise<void> {
    if (!this.#decoder) return;
    try {
      const logits = await this.#decoder.step(this.#running.map(({ token }) => token!.id));
      for (const [i, request] of this.#running.entries()) {
        request.length++;
        choose(request, logits[i]!);
      }
    } catch (error) {
      this.#failRunning(error);
    }
  }

  #failRunning(error: unknown): void {
    for (const { stream } of this.#running) stream.fail(error);
    this.#running = [];
    this.#decoder?.dispose();
    this.#decoder = undefined;
  }
}

const isOpen = ({ stream }: Request): boolean => stream.open;

/** The next token, out of the logits (v) after the last one. */
function choose(request: Request, logits: Float32Array): void {
  if (!request.stream.open) return;
  try {
    request.token = request.row.next(logits);
    request.stream.push(request.token);
  } catch (error) {
    request.stream.fail(error);
  }
}

function free(request: Request): void {
  if (request.state) disposeState(request.state);
  request.state = undefined;
}

/** The same state, whose caches know that no row of it holds more than so many positions: of what they held, others may have left. */
const filled = (state: ModelState, positions: number): ModelState => ({
  layers: state.layers.map((layer) => (isCache(layer) ? { ...layer, filled: positions } : layer)),
});
