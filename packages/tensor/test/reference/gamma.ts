// The generalised γ rule in float64, contribution by contribution.

/** What one number adds to one output: number `at` of `operand`, x, through the weight w; of a bias x is the bias and w is 1. */
export interface Contribution {
  operand: string;
  at: number;
  x: number;
  w: number;
}

/** The gradients, by operand, of outputs that are sums of contributions, each given its share of dy[output]. */
export function gamma(
  outputs: readonly (readonly Contribution[])[],
  dy: ArrayLike<number>,
  sizes: Readonly<Record<string, number>>,
  factor: number,
): Record<string, Float64Array> {
  const gradients = Object.fromEntries(Object.entries(sizes).map(([name, size]) => [name, new Float64Array(size)]));
  for (const [j, contributions] of outputs.entries()) {
    const z = contributions.reduce((sum, { x, w }) => sum + x * w, 0);
    if (z === 0) continue;
    const emphasis = ({ x, w }: Contribution): number => (x * w * z > 0 ? 1 + factor : 1);
    const whole = contributions.reduce((sum, each) => sum + each.x * each.w * emphasis(each), 0);
    for (const each of contributions) gradients[each.operand]![each.at]! += ((dy[j]! * z) / whole) * each.w * emphasis(each);
  }
  return gradients;
}
