import { concat, slice, type Tensor } from '@hidden-attention/tensor';

/** All that a recurrent model carries from one position to the next. */
export interface ModelState {
  /** by layer: the scan's state (b d n) and the last inputs of the convolution, oldest first (b d k−1) */
  layers: readonly { scan: Tensor; conv: Tensor }[];
}

/** A copy of the state that lives on its own: continue from it as often as you like. */
export function forkState(state: ModelState): ModelState {
  return { layers: state.layers.map(({ scan, conv }) => ({ scan: scan.view(), conv: conv.view() })) };
}

/** Frees a state. */
export function disposeState(state: ModelState): void {
  for (const { scan, conv } of state.layers) {
    scan.dispose();
    conv.dispose();
  }
}

/** The states of some rows, in the order given. */
export function selectRows(state: ModelState, rows: readonly number[]): ModelState {
  const pick = (tensor: Tensor): Tensor => concat(rows.map((row) => slice(tensor, 0, row, row + 1)), 0);
  return { layers: state.layers.map(({ scan, conv }) => ({ scan: pick(scan), conv: pick(conv) })) };
}
