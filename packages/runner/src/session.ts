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
  #busy = false;
  /** while it generates: where the state is, in place of `#at.state` */
  #decoder: Decoder | undefined;

  /** Use `createSession`, `fork` or `restoreSession`. */
  constructor(
    readonly model: Model,
    at: SessionState,
  ) {
    this.#at = at;
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
    if (this.#busy) throw new RunnerError('the session is still reading; await the append before the next one');
    scope(() => void this.model.batch([ids]));
    this.#busy = true;
    try {
      const { state, length, seen } = this.#settled();
      const next = await advance(this.model, [ids], state, options.signal);
      disposeState(state);
      this.#at = { state: next.state, length: length + ids.length, seen: new Set([...seen, ...Array.from(ids)]), logits: next.logits[0]! };
      return this.#at.logits!;
    } finally {
      this.#busy = false;
    }
  }

  /** Continues the sequence; what it gives is part of it then. Options are those of `generate`; `row` is 0. */
  generate(options: GenerateOptions): AsyncGenerator<GeneratedToken, void> {
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
      if (this.#decoder) this.#settled();
    }
  }

  /** Reads one id by a recorded step. */
  async #step(id: number): Promise<void> {
    if (this.#busy) throw new RunnerError('the session is still reading; await the append before the next one');
    this.#busy = true;
    try {
      this.#decoder ??= new Decoder(this.model, selectRows(this.#at.state, [0])); // a copy: forks share the session's own
      const [logits] = (await this.#decoder.step([id])) as [Float32Array];
      const { state, length, seen } = this.#at;
      this.#at = { state, length: length + 1, seen: new Set([...seen, id]), logits: logits.slice() };
    } finally {
      this.#busy = false;
    }
  }

  /** Where the session stands, its state taken back from the recorded steps. */
  #settled(): SessionState {
    if (this.#decoder) {
      disposeState(this.#at.state);
      this.#at.state = selectRows(this.#decoder.state, [0]);
      this.#decoder.dispose();
      this.#decoder = undefined;
    }
    return this.#at;
  }

  /** Another session that goes on from here on its own. */
  fork(): Session {
    const at = this.#settled();
    return new Session(this.model, { ...at, state: forkState(at.state) });
  }

  /** Writes where the session stands to a safetensors file, for `restoreSession`. */
  async save(path: string): Promise<void> {
    await writeSession(path, this.model, this.#settled());
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
