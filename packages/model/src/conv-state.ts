import { causalConv1d, concat, Tensor } from '@hidden-attention/tensor';
import type { Batch } from './batch.js';

/** The last k inputs of the convolution of each row's last text, oldest first, left zero-padded (b d k): what checkpoints of the field store. */
export function lastInputs(x: Tensor, carried: Tensor, k: number, { lengthsTensor: lengths, startsTensor: starts }: Batch): Tensor {
  const [rows, , d] = x.shape as [number, number, number];
  const zeros = Tensor.full([rows, d, 1], 0, x.device);
  const none = Tensor.full([d, k + 1], 0, x.device);
  return causalConv1d({ x, weight: none, initial: concat([zeros, carried], 2), lengths, starts }).final;
}
