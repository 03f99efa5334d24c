// Functions of one number in float64.
import { array, type HostArray } from '../support.js';

export const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
export const silu = (x: number): number => x * sigmoid(x);
/** x itself above 20, as PyTorch has it */
export const softplus = (x: number): number => (x > 20 ? x : Math.log1p(Math.exp(x)));

/** f of every number. */
export function map({ shape, data }: HostArray, f: (x: number, index: number) => number): HostArray {
  return array(shape, (i) => f(data[i]!, i));
}
