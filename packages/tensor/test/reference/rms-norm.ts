// The root-mean-square norm in float64.
import { array, type HostArray } from '../support.js';
import { silu } from './elementwise.js';

/** Settings as in the op; `scales` (rows × groups), when given, stand for 1/rms and do not depend on x. */
export interface NormOptions {
  epsilon: number;
  groups: number;
  gate: 'none' | 'before' | 'after';
  scales?: Float64Array;
}

/** y, what was normalised (x + residual), and 1/rms of every group of every row. */
export function rmsNorm(
  { x, weight, residual, z }: Record<string, HostArray>,
  { epsilon, groups, gate, scales }: NormOptions,
): { y: HostArray; residualOut: HostArray; scales: Float64Array } {
  const width = x!.shape.at(-1)!;
  const rows = x!.data.length / width;
  const slice = width / groups;
  const residualOut = array(x!.shape, (i) => x!.data[i]! + (residual?.data[i] ?? 0));
  const y = array(x!.shape);
  const own = new Float64Array(rows * groups);
  for (let group = 0; group < rows * groups; group++) {
    const from = group * slice;
    const normalised = Float64Array.from(
      { length: slice },
      (_, c) => residualOut.data[from + c]! * (gate === 'before' ? silu(z!.data[from + c]!) : 1),
    );
    own[group] = 1 / Math.sqrt(normalised.reduce((sum, t) => sum + t * t, 0) / slice + epsilon);
    normalised.forEach((t, c) => {
      const factor = gate === 'after' ? silu(z!.data[from + c]!) : 1;
      y.data[from + c] = t * (scales ?? own)[group]! * (weight?.data[(from + c) % width] ?? 1) * factor;
    });
  }
  return { y, residualOut, scales: own };
}
