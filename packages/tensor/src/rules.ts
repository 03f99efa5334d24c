/**
 * A rule set: op name → rule name. An op that is not named, or that has no such rule to name, keeps its true gradient.
 * Explanation methods are rule sets (math.md section 5), for example
 * `{ selectiveScan: 'holdDynamics', rmsNorm: 'holdScale', silu: 'holdRatio', gate: 'hold' }`.
 */
export type RuleSet = Readonly<Record<string, string>>;
