import { disposeState, joinRows, selectRows, type Model, type ModelState, type PassObserver } from '@hidden-attention/model';
import { scope, type Tensor, type Float } from '@hidden-attention/tensor';

/** Where rows stand after their last ids. */
export interface Advanced {
  /** by row (v) */
  logits: Float32Array[];
  /** of all rows; the receiver's to dispose of */
  state: ModelState;
}

/** Positions that one pass takes, all rows together: what it needs in memory is in proportion to them. */
export const positionsPerPass = 2048;

/**
 * Reads ids into rows, any number into each: through the scan, in passes of a few thousand positions, so that memory does not
 * grow with the length and a signal is heard between passes. With one id a row it is a step of generation.
 * @param state of the rows before; left as it is. Undefined at the beginning
 * @param observer sees each pass
 */
export async function advance(
  model: Model,
  rows: readonly ArrayLike<number>[],
  state?: ModelState,
  signal?: AbortSignal,
  observer?: PassObserver,
): Promise<Advanced> {
  const logits: Float32Array[] = [];
  const done: { rows: number[]; state: ModelState }[] = [];
  let active = rows.map((_, row) => row);
  let current = state;
  try {
    for (let start = 0; active.length > 0;) {
      signal?.throwIfAborted();
      const end = start + Math.max(1, Math.floor(positionsPerPass / active.length));
      const finished = active.filter((row) => rows[row]!.length <= end);
      const pieces = active.map((row) => Array.prototype.slice.call(rows[row]!, start, end) as number[]);
      const pass = forward(model, pieces, current, finished.length > 0, observer);
      if (current !== state) disposeState(current!);
      current = pass.state;
      await collect(model, pass.logits, active, finished, logits);
      const going = active.filter((row) => rows[row]!.length > end);
      if (going.length === 0) {
        done.push({ rows: finished, state: current });
        current = undefined;
      } else if (finished.length > 0) {
        const all = current;
        done.push({ rows: finished, state: pick(all, active, finished) });
        current = pick(all, active, going);
        disposeState(all);
      }
      active = going;
      start = end;
    }
    return { logits, state: inOrder(done) };
  } catch (error) {
    for (const part of done) disposeState(part.state);
    throw error;
  } finally {
    if (current && current !== state) disposeState(current);
  }
}

function forward(
  model: Model,
  rows: readonly ArrayLike<number>[],
  state: ModelState | undefined,
  wanted: boolean,
  observer?: PassObserver,
): { logits: Tensor<Float> | undefined; state: ModelState } {
  return scope(() => {
    const capture = observer?.sites ?? [];
    const result = model.forward(model.batch(rows), { logits: wanted ? 'last' : 'none', capture, ...(state ? { state } : {}) });
    observer?.see(result.captured);
    return { logits: result.logits, state: result.state };
  });
}

/** Reads the logits of the rows that are finished; waits for the pass in any case, so that work does not pile up in the queue. */
async function collect(
  model: Model,
  tensor: Tensor<Float> | undefined,
  active: readonly number[],
  finished: readonly number[],
  logits: Float32Array[],
): Promise<void> {
  if (!tensor) return model.device.finish();
  try {
    const all = await tensor.read();
    const size = all.length / active.length;
    for (const row of finished) logits[row] = all.subarray(active.indexOf(row) * size, (active.indexOf(row) + 1) * size);
  } finally {
    tensor.dispose();
  }
}

const pick = (state: ModelState, active: readonly number[], rows: readonly number[]): ModelState =>
  selectRows(
    state,
    rows.map((row) => active.indexOf(row)),
  );

/** The states of rows that finished in several passes, in the order of the rows. */
function inOrder(parts: readonly { rows: number[]; state: ModelState }[]): ModelState {
  if (parts.length === 1) return parts[0]!.state;
  const rows = parts.flatMap((part) => part.rows);
  return scope(() => {
    const joined = joinRows(parts.map((part) => part.state));
    for (const { state } of parts) disposeState(state);
    return selectRows(
      joined,
      rows.map((_, row) => rows.indexOf(row)),
    );
  });
}
