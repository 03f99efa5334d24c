import {
  disposeState,
  isCache,
  roomOf,
  tensorsOf,
  withRoom,
  type Model,
  type ModelState,
  type PassObserver,
} from '@hidden-attention/model';
import { assign, scope, Tensor, type Device } from '@hidden-attention/tensor';

/** Positions that a full cache grows by, and the share of what it holds. */
const growth = { least: 64, share: 0.5 };

/**
 * Rows that go on by one id each, again and again. The ops of a step are recorded once and replayed on the same memory, so
 * that a step costs JavaScript next to nothing, and a GPU one launch. Caches of keys and values are recorded anew where they have to
 * grow.
 */
export class Decoder implements Disposable {
  readonly #model: Model;
  readonly #device: Device;
  readonly #ids: Tensor<'i32'>;
  readonly #logits: Tensor<'f32'>;
  readonly #observer: PassObserver | undefined;
  readonly #captured: Record<string, Tensor>;
  #state: ModelState;
  #recording: ReturnType<Device['record']>;

  /**
   * @param state of the rows before; taken over, and changed in place by every step
   * @param observer sees each step
   */
  constructor(model: Model, state: ModelState, observer?: PassObserver) {
    const rows = rowsOf(state);
    this.#model = model;
    this.#device = model.device;
    this.#observer = observer;
    const made = scope(() => ({
      captured: shapesOf(model, state, observer?.sites ?? []),
      ids: Tensor.from(new Int32Array(rows), [rows, 1], model.device),
      logits: Tensor.empty([rows, model.config.vocabSize], model.device),
    }));
    ({ ids: this.#ids, logits: this.#logits, captured: this.#captured } = made);
    this.#state = state;
    this.#makeRoom();
    this.#recording = this.#record();
  }

  /** The rows' state after the last step. */
  get state(): ModelState {
    return this.#state;
  }

  #makeRoom(): void {
    if (roomOf(this.#state) > 0) return;
    const held = Math.max(...this.#state.layers.map((layer) => (isCache(layer) ? layer.filled : 0)));
    const grown = withRoom(this.#state, Math.max(growth.least, Math.ceil(growth.share * held)));
    disposeState(this.#state);
    this.#state = grown;
  }

  #record(): ReturnType<Device['record']> {
    const state = this.#state;
    const rows = rowsOf(state);
    return this.#device.record(() =>
      scope(() => {
        const batch = { ids: this.#ids, lengths: new Array<number>(rows).fill(1), lengthsTensor: undefined };
        const next = this.#model.forward(batch, { logits: 'last', state, capture: this.#observer?.sites ?? [], inPlace: true });
        assign(this.#logits, next.logits!);
        for (const [name, tensor] of Object.entries(next.captured)) assign(this.#captured[name]!, tensor);
        next.state.layers.forEach((layer, i) => {
          const held = tensorsOf(state.layers[i]!);
          for (const [name, tensor] of Object.entries(tensorsOf(layer)))
            if (tensor.handle !== held[name]!.handle) assign(held[name]!, tensor);
        });
      }),
    );
  }

  /** Reads one id into each row; gives the logits after it, by row (v). The ids have been checked. */
  async step(ids: readonly number[]): Promise<Float32Array[]> {
    if (roomOf(this.#state) === 0) {
      this.#recording.dispose();
      this.#makeRoom();
      this.#recording = this.#record();
    }
    this.#device.write(this.#ids.handle, Int32Array.from(ids));
    this.#recording.replay();
    for (const layer of this.#state.layers) if (isCache(layer)) layer.filled++;
    this.#observer?.see(this.#captured);
    const all = await this.#logits.read();
    const size = all.length / ids.length;
    return ids.map((_, row) => all.subarray(row * size, (row + 1) * size));
  }

  /** Frees everything but the rows' state after the last step, which it gives back. */
  release(): ModelState {
    this.#recording.dispose();
    this.#ids.dispose();
    this.#logits.dispose();
    for (const tensor of Object.values(this.#captured)) tensor.dispose();
    return this.#state;
  }

  /** Frees the state with the rest. */
  dispose(): void {
    disposeState(this.release());
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

const rowsOf = (state: ModelState): number => Object.values(tensorsOf(state.layers[0]!))[0]!.shape[0]!;

/** Tensors to hold what a step captures at some sites, as one step shows them. */
function shapesOf(model: Model, state: ModelState, sites: readonly string[]): Record<string, Tensor> {
  if (sites.length === 0) return {};
  const rows = rowsOf(state);
  const one = model.batch(Array.from({ length: rows }, () => [0]));
  const { captured } = model.forward(one, { state, capture: sites, logits: 'none' });
  return Object.fromEntries(Object.entries(captured).map(([name, tensor]) => [name, Tensor.like(tensor)]));
}
