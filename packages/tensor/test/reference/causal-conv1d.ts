// The causal depthwise convolution in float64.
import { array, type HostArray } from '../support.js';

/** y (b l d) and the last k−1 inputs (b d k−1). */
export function causalConv1d(arrays: Record<string, HostArray>): { y: HostArray; final: HostArray } {
  const { x, weight, bias, initial, lengths } = arrays;
  const [batch, length, channels] = x!.shape as [number, number, number];
  const width = weight!.shape[1]!;
  const before = width - 1;
  /** input at position i ≥ −before */
  const input = (b: number, i: number, d: number): number =>
    i >= 0 ? x!.data[(b * length + i) * channels + d]! : (initial?.data[(b * channels + d) * before + before + i] ?? 0);
  const y = array(x!.shape);
  const final = array([batch, channels, before]);
  for (let b = 0; b < batch; b++) {
    const end = lengths?.data[b] ?? length;
    for (let d = 0; d < channels; d++) {
      for (let i = 0; i < end; i++) {
        let sum = bias?.data[d] ?? 0;
        for (let k = 0; k < width; k++) sum += weight!.data[d * width + k]! * input(b, i - before + k, d);
        y.data[(b * length + i) * channels + d] = sum;
      }
      for (let k = 0; k < before; k++) final.data[(b * channels + d) * before + k] = input(b, end - before + k, d);
    }
  }
  return { y, final };
}
