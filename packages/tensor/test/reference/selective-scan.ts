// The selective scan, step by step, and the hidden attention, entry by entry (math.md sections 1 and 2), in float64.
import { array, type HostArray } from '../support.js';
import { silu, softplus } from './elementwise.js';

/** Arrays by the operands' names; see SelectiveScanInputs. */
export type ScanArrays = Record<string, HostArray>;

interface Sizes {
  b: number;
  l: number;
  d: number;
  n: number;
  g: number;
}
function sizesOf({ delta, A, B }: ScanArrays): Sizes {
  const [b, l, d] = delta!.shape as [number, number, number];
  return { b, l, d, n: A!.shape[1]!, g: B!.shape[2]! };
}
/** B or C at batch row `b`, position `i`, for channel `d`, state `n`. */
function grouped(array: HostArray, sizes: Sizes, b: number, i: number, d: number, n: number): number {
  const group = Math.floor((d * sizes.g) / sizes.d);
  return array.data[((b * sizes.l + i) * sizes.g + group) * sizes.n + n]!;
}

/** y (b l d) and the final state (b d n). */
export function selectiveScan(arrays: ScanArrays, options: { softplus: boolean }): { y: HostArray; finalState: HostArray } {
  const { u, delta, A, B, C, D, deltaBias, z, initialState, lengths } = arrays;
  const sizes = sizesOf(arrays);
  const y = array(u!.shape);
  const finalState = array([sizes.b, sizes.d, sizes.n], (i) => initialState?.data[i] ?? 0);
  for (let b = 0; b < sizes.b; b++) {
    for (let i = 0; i < (lengths?.data[b] ?? sizes.l); i++) {
      for (let d = 0; d < sizes.d; d++) {
        const at = (b * sizes.l + i) * sizes.d + d;
        const raw = delta!.data[at]! + (deltaBias?.data[d] ?? 0);
        const step = options.softplus ? softplus(raw) : raw;
        let sum = (D?.data[d] ?? 0) * u!.data[at]!;
        for (let n = 0; n < sizes.n; n++) {
          const s = (b * sizes.d + d) * sizes.n + n;
          const decayed = Math.exp(step * A!.data[d * sizes.n + n]!) * finalState.data[s]!;
          finalState.data[s] = decayed + step * grouped(B!, sizes, b, i, d, n) * u!.data[at]!;
          sum += grouped(C!, sizes, b, i, d, n) * finalState.data[s]!;
        }
        y.data[at] = sum * (z ? silu(z.data[at]!) : 1);
      }
    }
  }
  return { y, finalState };
}

/** α (b d l l): Σ_n C_i·exp(A·Σ_{k=j+1..i} Δ_k)·Δ_j·B_j for j ≤ i, else 0. */
export function attention(arrays: ScanArrays): HostArray {
  const { delta, A, B, C } = arrays;
  const sizes = sizesOf(arrays);
  const { b: batch, l, d: channels, n: states } = sizes;
  const alpha = array([batch, channels, l, l]);
  for (let b = 0; b < batch; b++) {
    for (let d = 0; d < channels; d++) {
      for (let i = 0; i < l; i++) {
        let between = 0;
        for (let j = i; j >= 0; j--) {
          const step = delta!.data[(b * l + j) * channels + d]!;
          let sum = 0;
          for (let n = 0; n < states; n++) {
            sum += grouped(C!, sizes, b, i, d, n) * Math.exp(A!.data[d * states + n]! * between) * step * grouped(B!, sizes, b, j, d, n);
          }
          alpha.data[((b * channels + d) * l + i) * l + j] = sum;
          between += step;
        }
      }
    }
  }
  return alpha;
}
