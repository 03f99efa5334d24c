// Functions of one number in float64.
import { array, type HostArray } from '../support.js';

export const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
export const silu = (x: number): number => x * sigmoid(x);
/** x times the normal distribution function, by Simpson's rule over its density */
export function gelu(x: number): number {
  return x * normalDistribution(x);
}
export function normalDistribution(x: number): number {
  const steps = 2000;
  let sum = 0;
  for (let i = 0; i <= steps; i++) sum += (i === 0 || i === steps ? 1 : i % 2 ? 4 : 2) * Math.exp(-((x * (i / steps)) ** 2) / 2);
  return 0.5 + (sum * x) / (3 * steps) / Math.sqrt(2 * Math.PI);
}
export const geluTanh = (x: number): number => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
/** x itself above 20, as PyTorch has it */
export const softplus = (x: number): number => (x > 20 ? x : Math.log1p(Math.exp(x)));

/** f of every number. */
export function map({ shape, data }: HostArray, f: (x: number, index: number) => number): HostArray {
  return array(shape, (i) => f(data[i]!, i));
}
