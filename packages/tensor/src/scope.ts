import type { Tensor } from './tensor.js';

type Scope = Set<Tensor>;
const scopes: Scope[] = [];

/** The innermost open scope; new tensors join it. */
export function currentScope(): Scope | undefined {
  return scopes.at(-1);
}

/**
 * Runs `body` and frees every tensor made in it, except those it returns (in arrays, plain objects, maps or sets, at any
 * depth): these pass to the enclosing scope, or live on. `body` is synchronous: ops only queue work; read afterwards.
 * @throws when `body` returns a promise
 */
export function scope<R>(body: () => R): R {
  const mine: Scope = new Set();
  scopes.push(mine);
  let result: R;
  try {
    result = body();
    if (result instanceof Promise)
      throw new Error('scope: the body returned a promise; queue the ops in the scope and await what it returns');
    const kept = new Set<Tensor>();
    collectTensors(result, mine, kept);
    const outer = scopes.at(-2);
    for (const tensor of kept) {
      mine.delete(tensor);
      outer?.add(tensor);
    }
    return result;
  } finally {
    scopes.pop();
    for (const tensor of mine) tensor.dispose();
  }
}

function collectTensors(value: unknown, candidates: Scope, kept: Set<Tensor>): void {
  if (typeof value !== 'object' || value === null) return;
  if (candidates.has(value as Tensor)) {
    kept.add(value as Tensor);
  } else if (Array.isArray(value) || value instanceof Set) {
    for (const item of value) collectTensors(item, candidates, kept);
  } else if (value instanceof Map) {
    for (const item of value.values()) collectTensors(item, candidates, kept);
  } else if (Object.getPrototypeOf(value) === Object.prototype || Object.getPrototypeOf(value) === null) {
    for (const item of Object.values(value)) collectTensors(item, candidates, kept);
  }
}
