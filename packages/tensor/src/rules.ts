/**
 * A rule set: op name → rule name. An op that is not named, or that has no such rule to name, keeps its true gradient.
 * Explanation methods are rule sets (math.md section 5), for example
 * `{ selectiveScan: 'holdDynamics', rmsNorm: 'holdScale', silu: 'holdRatio', gate: 'hold' }`. A rule that takes a number
 * has it behind a colon: `{ linear: 'gamma:0.25' }`.
 */
export type RuleSet = Readonly<Record<string, string>>;

/** A rule as it is known to its op, and the number that it was given, if any. */
export function parseRule(rule: string): { name: string; number: number | undefined } {
  const [name, number] = rule.split(':') as [string, string?];
  return { name, number: number === undefined ? undefined : Number(number) };
}
