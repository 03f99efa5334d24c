import { createHash } from 'node:crypto';
import { readSafetensors, writeSafetensors } from '@hidden-attention/checkpoint';
import { disposeState, forkState, type Model, type ModelState } from '@hidden-attention/model';
import { formatShape, scope, Tensor } from '@hidden-attention/tensor';
import { RunnerError } from './errors.js';

/**
 * One sequence and the state it has led to: append ids, look at the logits, fork it, save it, go on another day. The cost of
 * a further id does not depend on how many came before.
 */
export class Session {
  #state: ModelState;
  #length: number;

  /** Use `createSession`, `fork` or `restoreSession`. */
  constructor(
    readonly model: Model,
    state: ModelState,
    length: number,
  ) {
    this.#state = state;
    this.#length = length;
  }

  /** Number of ids so far. */
  get length(): number {
    return this.#length;
  }

  /** Reads more ids, one or many; the logits after the last of them (v). */
  async append(ids: ArrayLike<number>): Promise<Float32Array> {
    const { logits, state } = scope(() => {
      const result = this.model.forward(this.model.batch([ids]), { logits: 'last', state: this.#state });
      return { logits: result.logits!, state: result.state };
    });
    disposeState(this.#state);
    this.#state = state;
    this.#length += ids.length;
    const numbers = await logits.read();
    logits.dispose();
    return numbers;
  }

  /** Another session that goes on from here on its own. */
  fork(): Session {
    return new Session(this.model, forkState(this.#state), this.#length);
  }

  /** Writes the state as safetensors: `layers.K.state` (1 d n) and `layers.K.conv` (1 d k−1). */
  async save(path: string): Promise<void> {
    const tensors = await Promise.all(
      named(this.#state).map(async ([name, tensor]) => ({ name, dtype: 'F32' as const, shape: tensor.shape, data: (await tensor.read()) as Float32Array })),
    );
    await writeSafetensors(path, tensors, { format: 'hidden-attention-state', model: fingerprint(this.model), length: String(this.#length) });
  }

  dispose(): void {
    disposeState(this.#state);
  }
}

/** A session before its first id. */
export function createSession(model: Model): Session {
  return new Session(model, model.initialState(), 0);
}

/**
 * The session that `save` wrote, exactly as it was.
 * @throws RunnerError when the file is no state, or one of a model of another configuration
 */
export async function restoreSession(model: Model, path: string): Promise<Session> {
  const file = await readSafetensors(path);
  try {
    if (file.metadata['format'] !== 'hidden-attention-state') throw new RunnerError(`${path} is no saved state; Session.save writes one`);
    if (file.metadata['model'] !== fingerprint(model)) throw new RunnerError(`${path} was saved by a model of another configuration; load that model`);
    const blank = model.initialState();
    const tensors = new Map<string, Tensor>();
    for (const [name, { shape }] of named(blank)) {
      const entry = file.tensors.get(name);
      if (!entry || formatShape(entry.shape) !== formatShape(shape)) {
        throw new RunnerError(`${path}: ${name} is ${entry ? formatShape(entry.shape) : 'missing'}; ${formatShape(shape)} is needed`);
      }
      tensors.set(name, Tensor.from((await entry.read()) as Float32Array, shape, model.device));
    }
    disposeState(blank);
    const layers = blank.layers.map((_, k) => ({ scan: tensors.get(`layers.${k}.state`)!, conv: tensors.get(`layers.${k}.conv`)! }));
    return new Session(model, { layers }, Number(file.metadata['length'] ?? 0));
  } finally {
    await file.close();
  }
}

function named(state: ModelState): [string, Tensor][] {
  return state.layers.flatMap(({ scan, conv }, k): [string, Tensor][] => [
    [`layers.${k}.state`, scan],
    [`layers.${k}.conv`, conv],
  ]);
}

/** Says whether two models have the same configuration. */
function fingerprint(model: Model): string {
  return createHash('sha256').update(JSON.stringify(model.config)).digest('hex').slice(0, 16);
}
