// One step of AdamW for one number, in float64.
import type { AdamwOptions } from '../../src/index.js';

/** The parameter and the running means after the step. */
export function adamw(p: number, gradient: number, m: number, v: number, o: AdamwOptions): { p: number; m: number; v: number } {
  const g = o.gradientScale * gradient;
  const newM = o.beta1 * m + (1 - o.beta1) * g;
  const newV = o.beta2 * v + (1 - o.beta2) * g * g;
  const corrected = newM / (1 - o.beta1 ** o.step) / (Math.sqrt(newV / (1 - o.beta2 ** o.step)) + o.epsilon);
  return { p: p - o.learningRate * (corrected + o.decay * p), m: newM, v: newV };
}
