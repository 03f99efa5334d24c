import { nearestNames } from '@hidden-attention/model';
import { EvaluateError } from './errors.js';

/**
 * Names and what they stand for, refused where they are taken, found by name or with the nearest ones. What is built in is given to the
 * constructor, so that a bundler can leave it out where nothing is looked up.
 */
export class Named<T extends { name: string }> {
  readonly #known = new Map<string, T>();
  constructor(
    readonly what: string,
    builtIn: readonly T[],
  ) {
    for (const entry of builtIn) this.add(entry);
  }

  add(entry: T, overwrite = false): void {
    if (!/^[a-z0-9]+(-[a-z0-9]+)*$/.test(entry.name))
      throw new EvaluateError(`a ${this.what} cannot be called "${entry.name}"; use lower case, digits and single hyphens`);
    if (this.#known.has(entry.name) && !overwrite)
      throw new EvaluateError(`a ${this.what} "${entry.name}" is registered already; pass { overwrite: true } to replace it`);
    this.#known.set(entry.name, entry);
  }

  get(name: string): T {
    const found = this.#known.get(name);
    if (!found)
      throw new EvaluateError(`unknown ${this.what} "${name}"; the nearest are ${nearestNames(name, this.#known.keys()).join(', ')}`);
    return found;
  }

  list(): T[] {
    return [...this.#known.values()];
  }
}
