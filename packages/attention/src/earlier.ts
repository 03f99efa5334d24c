import type { ScanDynamics } from '@hidden-attention/model';
import { scope, Tensor, type Float } from '@hidden-attention/tensor';
import { chosen, type ChannelChoice } from './channels.js';
import { inEveryChannel, oneHot, resolvePositions, type Position } from './positions.js';
import { scanTransposedCarried } from './transposed.js';
import { isSoftmax, isTwoWay, type LayerView } from './view.js';

/**
 * What a position asks of the state that its chunk began with, in every channel and state (b d n): the row of the scan, carried on behind
 * the chunk's first position as the gradient of the initial state (math.md section 2). `earlierRow` says what it finds in the chunk before.
 * The view is one that was made with `state`.
 * @throws RangeError for a layer that is not a scan, or a position that does not exist
 */
export function askedOfState(layer: LayerView, position: Position = 'last'): Tensor<Float> {
  const dynamics = scanOf(layer);
  return scope(() => {
    const positions = resolvePositions(layer.lengths, position);
    const g = inEveryChannel(oneHot(positions, layer.shape[1]), layer.shape, layer.device);
    return scanTransposedCarried({ ...dynamics, g }).dInitialState;
  });
}

/**
 * The row, over an earlier chunk, of a position of a later one: α[i, j] for the positions j of this chunk, exactly as the whole text
 * would have it.
 * @param asked of the state that the chunk left (b d n), as `askedOfState` or the chunk behind gave it; it stays the caller's
 * @returns the row (b c l), and what it asks of the state before this chunk
 * @throws RangeError for a layer that is not a scan
 */
export function earlierRow(layer: LayerView, asked: Tensor, choice: ChannelChoice = {}): { row: Tensor<Float>; asked: Tensor<Float> } {
  const dynamics = scanOf(layer);
  return scope(() => {
    const [rows, length] = layer.shape;
    const ragged = layer.lengths.some((own) => own !== length);
    const lengths = ragged ? Tensor.from(Int32Array.from(layer.lengths), [rows], layer.device) : undefined;
    const { out, dInitialState } = scanTransposedCarried({ ...dynamics, lengths, dFinalState: asked });
    return { row: chosen(out, choice), asked: dInitialState };
  });
}

function scanOf({ dynamics, index }: LayerView): ScanDynamics {
  if (isSoftmax(dynamics) || isTwoWay(dynamics))
    throw new RangeError(
      `layer ${index} ${isSoftmax(dynamics) ? 'is softmax attention' : 'reads both ways'}; a state is carried by scans that read forwards. Of a text in pieces, longRow gives rows of all layers`,
    );
  return dynamics;
}
