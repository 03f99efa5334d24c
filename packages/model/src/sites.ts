import { cast, formatShape, multiply, ShapeError, type Float, type Tensor } from '@hidden-attention/tensor';
import { ModelError, nearestNames } from './errors.js';

/** What a patch puts in a site's place: a tensor of the same shape, or a function of the value computed. */
export type PatchValue = Tensor | ((value: Tensor) => Tensor);

/** Somebody who looks at every pass over a growing text: generation, chunk by chunk or step by step. */
export interface PassObserver {
  /** what to capture */
  sites: readonly string[];
  /** The values of a pass over further positions; they are freed when this returns. */
  see(captured: Readonly<Record<string, Tensor>>): void;
}

/**
 * The site names that a pattern stands for; `*` is any run of characters without a dot.
 * @throws ModelError naming the nearest sites when it stands for none
 */
export function expandSites(patterns: readonly string[], known: readonly string[]): string[] {
  const found = new Set<string>();
  for (const pattern of patterns) {
    const expression = new RegExp(`^${pattern.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '[^.]*')}$`);
    const matches = known.filter((name) => expression.test(name));
    if (matches.length === 0) {
      throw new ModelError(`no site is called "${pattern}"; the nearest are ${nearestNames(pattern, known).join(', ')}`);
    }
    for (const name of matches) found.add(name);
  }
  return known.filter((name) => found.has(name));
}

/**
 * The named places of one forward pass where somebody may look on or step in. A block passes each value through `pass`;
 * where nobody asked, that costs nothing.
 */
export class Sites {
  readonly captured: Record<string, Tensor> = {};
  readonly #capture: ReadonlySet<string>;
  readonly #patch: ReadonlyMap<string, PatchValue>;
  readonly #mask: (() => Tensor) | undefined;

  /** @param mask gives (b l 1) where rows differ in length: captured values are multiplied by it */
  constructor(
    known: readonly string[],
    options: { capture?: readonly string[]; patch?: Readonly<Record<string, PatchValue>> },
    mask?: () => Tensor,
  ) {
    this.#capture = new Set(expandSites(options.capture ?? [], known));
    this.#patch = new Map(Object.entries(options.patch ?? {}));
    expandSites([...this.#patch.keys()], known);
    this.#mask = mask;
  }

  /** Whether nobody looks at or changes any of these. */
  quiet(...names: string[]): boolean {
    return names.every((name) => !this.#capture.has(name) && !this.#patch.has(name));
  }

  /** Whether somebody changes any of these. */
  patched(...names: string[]): boolean {
    return names.some((name) => this.#patch.has(name));
  }

  /** The value to go on with: the patch's where there is one. Keeps it where it was asked for. */
  pass<T extends Tensor>(name: string, value: T, options: { perPosition?: boolean } = {}): T {
    const patch = this.#patch.get(name);
    const result = patch === undefined ? value : typeof patch === 'function' ? patch(value) : patch;
    if (result !== value && formatShape(result.shape) !== formatShape(value.shape)) {
      throw new ShapeError(`patch of ${name}: the value is ${formatShape(result.shape)}; the site is ${formatShape(value.shape)}`);
    }
    if (this.#capture.has(name)) {
      this.captured[name] = this.#mask && (options.perPosition ?? true) ? multiplyPositions(result, this.#mask()) : result;
    }
    return result as T;
  }
}

/** value (b l …) ⊙ mask (b l 1) */
function multiplyPositions(value: Tensor, mask: Tensor): Tensor {
  const [rows, length] = value.shape as [number, number];
  return multiply(value.view([rows, length, value.size / (rows * length)]), cast(mask, value.dtype as Float)).view(value.shape);
}
