import type { ScanDynamics } from '@hidden-attention/model';
import {
  affine,
  divide,
  exp,
  multiply,
  scope,
  selectiveScanTransposed,
  slice,
  square,
  sumLast,
  Tensor,
  add,
  reshape,
} from '@hidden-attention/tensor';
import * as z from '@hidden-attention/model/schema';
import { defineExplainer, type Explainer } from '../explainer.js';
import { meanOfScans, someScans } from './scan-layers.js';

export interface InfluenceOptions {
  startLayer: number;
  measure: 'gramian' | 'jacobian';
}

/** So that 0/0 is not: far below any 1 − a² that counts. */
const tiny = 1e-9;

/** Σ_{d,n} (Δ_j·B_j[n])² / (1 − exp(2·Δ_j[d]·A[d,n])), as a mean over channels and states: (l). */
function gramian({ delta, A, B }: ScanDynamics): Tensor {
  return scope(() => {
    const [, length, channels] = delta.shape as [number, number, number];
    const [, , groups, states] = B.shape as [number, number, number, number];
    const each = channels / groups;
    const flat = delta.view([length, channels]);
    const steps = square(flat);
    const sizes = square(B).view([length * groups, states]);
    let total: Tensor | undefined;
    for (let n = 0; n < states; n++) {
      const decay = exp(affine(multiply(flat, reshape(slice(A, 1, n, n + 1), [channels])), 2)); //    a² (l d)
      const kept = divide(steps, affine(affine(decay, -1, 1), 1, tiny));
      const entered = multiply(kept.view([length * groups, each]), slice(sizes, 1, n, n + 1)).view([length, channels]);
      const sum = sumLast(entered, 'sum', 1 / (channels * states));
      total = total ? add(total, sum) : sum;
    }
    return total!;
  });
}

/** Σ over the answer's positions t of weight_t·Σ_{d,n} (exp(A[d,n]·Σ_{k=j+1..t} Δ_k[d])·Δ_j[d]·B_j[n])², as a mean: (l). */
function jacobian({ delta, A, B }: ScanDynamics, start: Float64Array): Tensor {
  return scope(() => {
    const [, length, channels] = delta.shape as [number, number, number];
    const weights = Tensor.from(Float32Array.from(start), [1, length, 1], delta.device);
    const g = multiply(Tensor.full(delta.shape, 1, delta.device), weights);
    // the squares of decays are those of an A twice as large: the scan backwards, with B² and C = 1, and Δ once more
    const squares = selectiveScanTransposed({ delta, A: affine(A, 2), B: square(B), C: Tensor.full(B.shape, 1, B.device), g });
    return sumLast(multiply(squares, delta), 'sum', 1 / (channels * A.shape[1]!)).view([length]);
  });
}

/**
 * The influence scores of X-VMamba: how strongly what enters at a position can drive the state. `gramian`, in closed form: the trace
 * of the controllability Gramian of that position's own dynamics, b²/(1 − a²) summed over channels and states, with a = exp(Δ·A) and
 * b = Δ·B. `jacobian`: ‖Π_{k=j+1..t} Ā_k·B̄_j‖, what is left of it at the answer. Neither looks at the input's value or the answer.
 */
export const xVmamba: Explainer<InfluenceOptions> = defineExplainer({
  name: 'x-vmamba',
  title: 'X-VMamba influence',
  summary:
    "How strongly the model's states could be driven by what stands at a place, whatever stands there; a cheap baseline that knows of no answer.",
  cite: 'X-VMamba: influence by controllability. 2025, arXiv 2511.12694',
  signed: false,
  options: () =>
    z.strictObject({
      startLayer: z.coerce.number().int().min(0).default(0),
      measure: z.enum(['gramian', 'jacobian']).default('gramian'),
    }),
  supports: someScans,
  explain: (question, { startLayer, measure }) =>
    meanOfScans(question, startLayer, async (scan, start) => {
      const influence = measure === 'gramian' ? gramian(scan) : jacobian(scan, start);
      const numbers = Float64Array.from(await influence.read(), Math.sqrt);
      influence.dispose();
      return numbers;
    }),
});
