import { disposeState, type Model, type ModelState } from '@hidden-attention/model';
import { assign, scope, Tensor, type Device } from '@hidden-attention/tensor';

/**
 * Rows that go on by one id each, again and again. The ops of a step are recorded once and replayed on the same memory, so
 * that a step costs JavaScript next to nothing, and a GPU one launch.
 */
export class Decoder implements Disposable {
  readonly #device: Device;
  readonly #ids: Tensor<'i32'>;
  readonly #logits: Tensor<'f32'>;
  readonly #recording: ReturnType<Device['record']>;

  /** @param state of the rows before; taken over, and changed in place by every step */
  constructor(
    model: Model,
    readonly state: ModelState,
  ) {
    const rows = state.layers[0]!.scan.shape[0]!;
    this.#device = model.device;
    const made = scope(() => ({
      ids: Tensor.from(new Int32Array(rows), [rows, 1], model.device),
      logits: Tensor.empty([rows, model.config.vocabSize], model.device),
    }));
    ({ ids: this.#ids, logits: this.#logits } = made);
    this.#recording = this.#device.record(() =>
      scope(() => {
        const batch = { ids: made.ids, lengths: new Array<number>(rows).fill(1), lengthsTensor: undefined };
        const next = model.forward(batch, { logits: 'last', state });
        assign(made.logits, next.logits!);
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
    const all = await this.#logits.read();
    const size = all.length / ids.length;
    return ids.map((_, row) => all.subarray(row * size, (row + 1) * size));
  }

  /** Frees the state with the rest. */
  dispose(): void {
    this.#recording.dispose();
    this.#ids.dispose();
    this.#logits.dispose();
    disposeState(this.state);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
