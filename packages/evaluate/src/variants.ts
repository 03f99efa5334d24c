import type { Model } from '@hidden-attention/model';

/** Bytes of changed models that are kept at once, beyond the one just made. */
const room = 512 * 2 ** 20;

/** Changed models (other weights, other types) that several examples are explained on: made when first asked for, freed together. */
export class Variants {
  readonly #made = new Map<string, Promise<Model>>();
  readonly #base: Model;

  constructor(base: Model) {
    this.#base = base;
  }

  async get(key: string, make: () => Model | Promise<Model>): Promise<Model> {
    const known = this.#made.get(key);
    if (known) return known;
    await this.#makeRoom();
    const made = Promise.resolve(make());
    this.#made.set(key, made);
    made.catch(() => this.#made.delete(key));
    return made;
  }

  async dispose(): Promise<void> {
    for (const key of this.#made.keys()) await this.#free(key);
  }

  async #makeRoom(): Promise<void> {
    const each = this.#base.parameterBytes;
    while (this.#made.size > 0 && (this.#made.size + 1) * each > room) await this.#free(this.#made.keys().next().value!);
  }

  /** Frees what the variant does not share with the model that it is made of. */
  async #free(key: string): Promise<void> {
    const model = await this.#made.get(key)?.catch(() => undefined);
    this.#made.delete(key);
    const shared = new Set(this.#base.parameters.values());
    for (const tensor of model?.parameters.values() ?? []) if (!shared.has(tensor)) tensor.dispose();
  }
}
