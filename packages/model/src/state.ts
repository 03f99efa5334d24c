import { concat, scope, slice, type Tensor } from '@hidden-attention/tensor';
import { ModelError } from './errors.js';

/** All that a recurrent model carries from one position to the next. */
export interface ModelState {
  /** by layer: the scan's state (b d n) and the last inputs of the convolution, oldest first (b d k−1) */
  layers: readonly { scan: Tensor; conv: Tensor }[];
}

/** A copy of the state that lives on its own: continue from it as often as you like. */
export function forkState(state: ModelState): ModelState {
  return mapState(state, (tensor) => tensor.view());
}

/** Frees a state. */
export function disposeState(state: ModelState): void {
  for (const { scan, conv } of state.layers) {
    scan.dispose();
    conv.dispose();
  }
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
    layers: first.layers.map((_, layer) => ({
      scan: concat(
        states.map(({ layers }) => layers[layer]!.scan),
        0,
      ),
      conv: concat(
        states.map(({ layers }) => layers[layer]!.conv),
        0,
      ),
    })),
  }));
}

function mapState(state: ModelState, change: (tensor: Tensor) => Tensor): ModelState {
  return { layers: state.layers.map(({ scan, conv }) => ({ scan: change(scan), conv: change(conv) })) };
}
