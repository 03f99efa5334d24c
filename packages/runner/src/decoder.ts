import { disposeState, type Model, type ModelState, type PassObserver } from '@hidden-attention/model';
import { assign, scope, Tensor, type Device } from '@hidden-attention/tensor';

/**
 * Rows that go on by one id each, again and again. The ops of a step are recorded once and replayed on the same memory, so
 * that a step costs JavaScript next to nothing, and a GPU one launch.
 */
export class Decoder implements Disposable {
  readonly #device: Device;
  readonly #ids: Tensor<'i32'>;
  readonly #logits: Tensor<'f32'>;
  readonly #observer: PassObserver | undefined;
  readonly #captured: Record<string, Tensor>;
  readonly #recording: ReturnType<Device['record']>;

  /**
   * @param state of the rows before; taken over, and changed in place by every step
   * @param observer sees each step
   */
  constructor(
    model: Model,
    readonly state: ModelState,
    observer?: PassObserver,
  ) {
    const rows = state.layers[0]!.scan.shape[0]!;
    this.#device = model.device;
    const sites = observer?.sites ?? [];
    this.#observer = observer;
    const made = scope(() => ({
      captured: shapesOf(model, state, sites),
      ids: Tensor.from(new Int32Array(rows), [rows, 1], model.device),
      logits: Tensor.empty([rows, model.config.vocabSize], model.device),
    }));
    ({ ids: this.#ids, logits: this.#logits, captured: this.#captured } = made);
    this.#recording = this.#device.record(() =>
      scope(() => {
        const batch = { ids: made.ids, lengths: new Array<number>(rows).fill(1), lengthsTensor: undefined };
        const next = model.forward(batch, { logits: 'last', state, capture: sites });
        assign(made.logits, next.logits!);
        for (const [name, tensor] of Object.entries(next.captured)) assign(made.captured[name]!, tensor);
        next.state.layers.forEach((layer, i) => {
          for (const [name, tensor] of Object.entries(layer)) assign(state.layers[i]![name as keyof typeof layer], tensor);
        });
      }),
    );
  }

  /** Reads one id into each row; gives the logits after it, by row (v). The ids have been checked. */
  async step(ids: readonly number[]): Promise<Float32Array[]> {
    this.#device.write(this.#ids.handle, Int32Array.from(ids));
    this.#recording.replay();
    this.#observer?.see(this.#captured);
    const all = await this.#logits.read();
    const size = all.length / ids.length;
    return ids.map((_, row) => all.subarray(row * size, (row + 1) * size));
  }

  /** Frees the state with the rest. */
  dispose(): void {
    this.#recording.dispose();
    this.#ids.dispose();
    this.#logits.dispose();
    for (const tensor of Object.values(this.#captured)) tensor.dispose();
    disposeState(this.state);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** Tensors to hold what a step captures at some sites, as one step shows them. */
function shapesOf(model: Model, state: ModelState, sites: readonly string[]): Record<string, Tensor> {
  if (sites.length === 0) return {};
  const rows = state.layers[0]!.scan.shape[0]!;
  const one = model.batch(Array.from({ length: rows }, () => [0]));
  const { captured } = model.forward(one, { state, capture: sites, logits: 'none' });
  return Object.fromEntries(Object.entries(captured).map(([name, tensor]) => [name, Tensor.like(tensor)]));
}
