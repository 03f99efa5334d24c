import { disposeState, forkState, selectRows, type Model } from '@hidden-attention/model';
import { scope } from '@hidden-attention/tensor';
import { advance } from './advance.js';
import { Decoder } from './decoder.js';
import { RunnerError } from './errors.js';
import { checkOptions, checkPositions, type GenerateOptions } from './options.js';
import { Row, type GeneratedToken } from './row.js';
import { readSession, writeSession, type SessionState } from './session-file.js';

/**
 * One sequence and the state it has led to: append ids, look at the logits, continue it, fork it, save it, go on another day.
 * What a further id costs does not depend on how many came before.
 */
export class Session implements Disposable {
  #at: SessionState;
  /** ids behind `#at.state`: `#decoder` has read them, or they are to be read again */
  #unread: number[];
  /** while tokens are generated; it works on a copy, since forks share `#at.state` */
  #decoder: Decoder | undefined;
  #busy = false;

  /** Use `createSession`, `fork` or `restoreSession`. */
  constructor(
    readonly model: Model,
    at: SessionState,
    unread: readonly number[] = [],
  ) {
    this.#at = at;
    this.#unread = [...unread];
  }

  /** Number of ids so far. */
  get length(): number {
    return this.#at.length;
  }

  /** The logits after the last id (v); null before the first. */
  get logits(): Float32Array | null {
    return this.#at.logits;
  }

  /**
   * Reads more ids, one or many. After an error or an abort the session is where it was.
   * @returns the logits after the last of them (v)
   * @throws ModelError for no ids or ids out of range, RunnerError while another append is running
   */
  async append(ids: ArrayLike<number>, options: { signal?: AbortSignal } = {}): Promise<Float32Array> {
    scope(() => void this.model.batch([ids]));
    this.#settle();
    return this.#alone(async () => {
      await this.#catchUp();
      const { state, logits } = await advance(this.model, [ids], this.#at.state, options.signal);
      disposeState(this.#at.state);
      const seen = new Set([...this.#at.seen, ...Array.from(ids)]);
      this.#at = { state, length: this.length + ids.length, seen, logits: logits[0]! };
      return logits[0]!;
    });
  }

  /** Continues the sequence; what it gives is part of it then. Options are those of `generate`, without an observer; `row` is 0. */
  generate(options: Omit<GenerateOptions, 'observer'>): AsyncGenerator<GeneratedToken, void> {
    if ((options as GenerateOptions).observer)
      throw new RunnerError('an observer follows a text from its first id on; use generate with the whole prompt');
    checkOptions(this.model, options);
    checkPositions(this.model, this.length, options.maxTokens);
    if (!this.#at.logits) throw new RunnerError('the session is empty; append at least one id before generating');
    return this.#stream(options);
  }

  async *#stream(options: GenerateOptions): AsyncGenerator<GeneratedToken, void> {
    const row = new Row(0, this.model, this.#at.seen, options);
    try {
      for (let token: GeneratedToken | undefined; !token?.finished;) {
        options.signal?.throwIfAborted();
        token = row.next(this.#at.logits!);
        await this.#step(token.id);
        yield token;
      }
    } finally {
      this.#settle();
    }
  }

  /** Another session that goes on from here on its own. */
  fork(): Session {
    this.#settle();
    const { state, seen, ...rest } = this.#at;
    return new Session(this.model, { ...rest, state: forkState(state), seen: new Set(seen) }, this.#unread);
  }

  /** Writes where the session stands to a safetensors file, for `restoreSession`. */
  async save(path: string): Promise<void> {
    using here = this.fork();
    await here.#catchUp();
    await writeSession(path, this.model, here.#at);
  }

  /** Frees the state. */
  dispose(): void {
    this.#decoder?.dispose();
    this.#decoder = undefined;
    disposeState(this.#at.state);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  async #alone<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#busy) throw new RunnerError('the session is still reading; await the append before the next one');
    this.#busy = true;
    try {
      return await work();
    } finally {
      this.#busy = false;
    }
  }

  /** Reads one id by a recorded step. */
  #step(id: number): Promise<void> {
    return this.#alone(async () => {
      try {
        this.#decoder ??= await this.#startDecoder();
        const [logits] = await this.#decoder.step([id]);
        this.#at.logits = logits!;
      } catch (error) {
        this.#decoder?.dispose(); // it may be half a step on; what it had read is read again
        this.#decoder = undefined;
        throw error;
      }
      this.#at.length++;
      this.#at.seen.add(id);
      this.#unread.push(id);
    });
  }

  async #startDecoder(): Promise<Decoder> {
    await this.#catchUp();
    const copy = selectRows(this.#at.state, [0]);
    try {
      return new Decoder(this.model, copy);
    } catch (error) {
      disposeState(copy);
      throw error;
    }
  }

  /** Takes the state over from the decoder, unless it is in the middle of a step: then `#unread` tells what it has read. */
  #settle(): void {
    if (!this.#decoder || this.#busy) return;
    disposeState(this.#at.state);
    this.#at.state = this.#decoder.release();
    this.#decoder = undefined;
    this.#unread = [];
  }

  /** Reads what no decoder is there to have read: of a session that was forked in the middle of a step, or where a step failed. */
  async #catchUp(): Promise<void> {
    if (this.#unread.length === 0) return;
    const { state } = await advance(this.model, [this.#unread], this.#at.state);
    disposeState(this.#at.state);
    this.#at.state = state;
    this.#unread = [];
  }
}

/** A session before its first id. */
export function createSession(model: Model): Session {
  return new Session(model, { state: model.initialState(), length: 0, seen: new Set(), logits: null });
}

/**
 * The session that `save` wrote: it continues bit by bit as the saved one would have.
 * @throws RunnerError when the file is no session, or one of a model of another configuration or other weights; CheckpointError
 * when it is damaged
 */
export async function restoreSession(model: Model, path: string): Promise<Session> {
  return new Session(model, await readSession(path, model));
}
