import { concat, scope, slice, Tensor } from '@hidden-attention/tensor';
import { ModelError } from './errors.js';

/** What a recurrent layer carries: as much after a million positions as after one. */
export interface ScanState {
  /** the scan's state (b d n) */
  scan: Tensor;
  /** the last inputs of the convolution, oldest first (b d k−1) */
  conv: Tensor;
}

/** What an attention layer carries: all positions. */
export interface CacheState {
  /** (b s h p): room for s positions a row */
  keys: Tensor;
  values: Tensor;
  /** positions that each row holds (b), whole numbers */
  past: Tensor;
  /** the most that a row holds, as this side of the device knows it */
  filled: number;
  /** rows hold different numbers of positions */
  ragged?: boolean;
  /** rows hold several texts: nobody can go on from it */
  packed?: boolean;
}

/** Nothing: of layers that see all positions at once. */
export type NoState = Record<string, never>;

export type LayerState = ScanState | CacheState | NoState;

/** All that a model carries from one position to the next. */
export interface ModelState {
  layers: readonly LayerState[];
}

/** Whether a layer's state is a cache of keys and values. */
export const isCache = (state: LayerState): state is CacheState => 'keys' in state;

/** The tensors of a layer's state, by name. */
export function tensorsOf(state: LayerState): Record<string, Tensor> {
  return Object.fromEntries(Object.entries(state).filter((entry): entry is [string, Tensor] => entry[1] instanceof Tensor));
}

/** What of a layer's state is no tensor. */
export function factsOf(state: LayerState): Record<string, unknown> {
  return Object.fromEntries(Object.entries(state).filter(([, value]) => !(value instanceof Tensor)));
}

/** A state of zeros before the first position, of `rows` sequences: (b s h p) with s = 0. */
export function emptyCache(rows: number, heads: number, width: number, like: Tensor): CacheState {
  const none = (): Tensor => Tensor.like(like, [rows, 0, heads, width]);
  return { keys: none(), values: none(), past: Tensor.full([rows], 0, like.device), filled: 0 };
}

/** A copy of the state that lives on its own: continue from it as often as you like. */
export function forkState(state: ModelState): ModelState {
  return mapState(state, (tensor) => tensor.view());
}

/** Frees a state. */
export function disposeState(state: ModelState): void {
  for (const layer of state.layers) for (const tensor of Object.values(tensorsOf(layer))) tensor.dispose();
}

/** The states of some rows, in the order given: new tensors. */
export function selectRows(state: ModelState, rows: readonly number[]): ModelState {
  return scope(() =>
    mapState(state, (tensor) =>
      concat(
        rows.map((row) => slice(tensor, 0, row, row + 1)),
        0,
      ),
    ),
  );
}

/** The rows of several states of one model, one after the other: new tensors. */
export function joinRows(states: readonly ModelState[]): ModelState {
  const [first] = states;
  if (!first) throw new ModelError('no states to join; give at least one');
  return scope(() => ({
    layers: first.layers.map((_, index): LayerState => {
      const own = states.map(({ layers }) => layers[index]!);
      const filled = Math.max(...own.map((layer) => (isCache(layer) ? layer.filled : 0)));
      const parts = own.map((layer) => tensorsOf(isCache(layer) ? resized(layer, filled) : layer));
      const joined = Object.fromEntries(
        Object.keys(parts[0]!).map((name) => [
          name,
          concat(
            parts.map((part) => part[name]!),
            0,
          ),
        ]),
      );
      if (!isCache(own[0]!)) return joined as unknown as LayerState;
      const ragged = own.some((layer) => isCache(layer) && (layer.ragged === true || layer.filled !== filled));
      return { ...joined, filled, ...(ragged ? { ragged } : {}) } as unknown as LayerState;
    }),
  }));
}

/** Positions that there is room for without new memory: a recurrent state always has room. */
export function roomOf(state: ModelState): number {
  return Math.min(Infinity, ...state.layers.map((layer) => (isCache(layer) ? layer.keys.shape[1]! - layer.filled : Infinity)));
}

/** The same state with room for so many more positions: new tensors. */
export function withRoom(state: ModelState, positions: number): ModelState {
  return scope(() => ({
    layers: state.layers.map((layer) =>
      isCache(layer) ? resized(layer, layer.filled + positions) : mapLayer(layer, (tensor) => tensor.view()),
    ),
  }));
}

/** A cache with room for exactly `size` positions a row, no less than it holds: new tensors. */
export function resized({ keys, values, past, ...facts }: CacheState, size: number): CacheState {
  const grown = (tensor: Tensor): Tensor => {
    const [rows, had, heads, width] = tensor.shape as [number, number, number, number];
    const kept = slice(tensor, 1, 0, Math.min(had, size));
    return size <= had ? kept : concat([kept, Tensor.like(tensor, [rows, size - had, heads, width])], 1);
  };
  return scope(() => ({ keys: grown(keys), values: grown(values), past: past.view(), ...facts }));
}

function mapState(state: ModelState, change: (tensor: Tensor) => Tensor): ModelState {
  return { layers: state.layers.map((layer) => mapLayer(layer, change)) };
}

function mapLayer(layer: LayerState, change: (tensor: Tensor) => Tensor): LayerState {
  const changed = Object.entries(tensorsOf(layer)).map(([name, tensor]) => [name, change(tensor)] as const);
  return { ...layer, ...Object.fromEntries(changed) } as LayerState;
}
