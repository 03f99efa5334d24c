import type { BlockParts } from '@hidden-attention/model';
import {
  add,
  concat,
  linear,
  multiply,
  reshape,
  reverse,
  scope,
  selectiveScan,
  selectiveScanTransposed,
  silu,
  slice,
  Tensor,
  type Float,
} from '@hidden-attention/tensor';
import { inEveryChannel } from './positions.js';
import { isSoftmax, isTwoWay, type LayerView } from './view.js';

/**
 * How SiLU of a convolution, which is not a sum, is shared out among the positions under its taps: exactly at this input, as
 * σ(c_k)·w·x_j with what the whole sum opens held ('exact'), or by SiLU(w·x_j) of each tap by itself ('silu'), which
 * LaTIM proposes and which does not add up (Pitorro and Treviso 2025).
 */
export type Split = 'exact' | 'silu';

/** What each tap of the convolution gives by itself behind SiLU, `back` positions later: SiLU(w_{K−1−back} ⊙ x), (b l d). */
function ofTap({ x, convWeight }: BlockParts, back: number): Tensor<Float> {
  const [channels, width] = convWeight.shape as [number, number];
  return silu(multiply(x, reshape(slice(convWeight, 1, width - 1 - back, width - back), [channels])));
}

/** x (b l d) moved `by` positions later (earlier, where negative); zeros move in. */
function moved(x: Tensor, by: number): Tensor<Float> {
  const [rows, length, channels] = x.shape as [number, number, number];
  const distance = Math.min(Math.abs(by), length);
  if (distance === 0) return x as Tensor<Float>;
  const none = Tensor.full([rows, distance, channels], 0, x.device);
  return by > 0 ? concat([none, slice(x, 1, 0, length - distance)], 1) : concat([slice(x, 1, distance, length), none], 1);
}

const taps = ({ convWeight }: BlockParts): number[] => Array.from({ length: convWeight.shape[1]! }, (_, back) => back);
const shared = ({ gate, share = 1 }: BlockParts): Tensor => (share === 1 ? gate : multiply(gate, Tensor.full([1], share, gate.device)));

/** out_proj's input as the published split adds it up: gate ⊙ (α + D)·Σ_taps SiLU(w ⊙ x), (b l d). */
export function gatedOfSplit(parts: BlockParts): Tensor<Float> {
  const { delta, A, B, C, D, starts } = parts;
  return scope(() => {
    const u = taps(parts)
      .map((back) => moved(ofTap(parts, back), back))
      .reduce((sum, part) => add(sum, part));
    return multiply(selectiveScan({ u, delta, A, B, C, D, starts }).y, shared(parts));
  });
}

/** What weights (b l) of the positions take of the published split, by position: (b l d), before out_proj. */
function throughSplit(parts: BlockParts, weights: Tensor): Tensor<Float> {
  const { delta, A, B, C, D, starts } = parts;
  const asked = selectiveScanTransposed({ delta, A, B, C, D, starts, g: multiply(shared(parts), weights) });
  return taps(parts)
    .map((back) => multiply(moved(asked, -back), ofTap(parts, back)))
    .reduce((sum, part) => add(sum, part));
}

/**
 * What the mixer's output receives from each position j, as a vector: T(x_j) = W_out·(gate ⊙ Σ_k α_k ⊙ (what x_j gives to x′_k)), of the
 * outputs at some positions, weighted: (b l m). With the exact split these and the biases' add up to the output.
 * @param weights (b l): 1 at one position for that position's output; equal weights for a mean
 * @throws RangeError for softmax attention, or a family that does not say which matrix out_proj is
 */
export function contributions(layer: LayerView, weights: Float32Array, split: Split = 'exact'): Tensor<Float> {
  const parts = layer.parts();
  if (isSoftmax(parts)) throw new RangeError(`layer ${layer.index} is softmax attention; contributions are those of a scan's block`);
  const one = isTwoWay(parts) ? parts.forward : parts;
  if (!one.outWeight) throw new RangeError(`layer ${layer.index} does not say which matrix its out_proj is (BlockParts.outWeight)`);
  const outWeight = one.outWeight;
  return scope(() => {
    const linearOut = (x: Tensor): Tensor<Float> => linear(x, outWeight.view(outWeight.shape, false)); // nothing rounded: parts add up
    const [rows, length] = one.x.shape as [number, number];
    const own = Tensor.from(weights, [rows, length, 1], one.x.device);
    if (split === 'exact') {
      const start = inEveryChannel(weights, one.x.shape as unknown as [number, number, number], one.x.device);
      return linearOut(multiply(layer.block().applyTransposed(start), one.x));
    }
    if (!isTwoWay(parts)) return linearOut(throughSplit(parts, own));
    const back = reverse(throughSplit(parts.backward, reverse(own, 1)), 1);
    return linearOut(add(throughSplit(parts.forward, own), back));
  });
}
