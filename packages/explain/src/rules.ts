import type { RuleSet } from '@hidden-attention/tensor';
import { ExplainError } from './errors.js';

/** everything that is not linear is held at this input, so that relevance adds up to the logit exactly */
const held: RuleSet = {
  selectiveScan: 'holdDynamics',
  softmaxAttention: 'holdAttention',
  rmsNorm: 'holdScale',
  silu: 'holdRatio',
  gelu: 'holdRatio',
  geluTanh: 'holdRatio',
  gate: 'hold',
};

const sets: Readonly<Record<'gradient' | 'decomposition' | 'mambaLrp', RuleSet>> = {
  /** true gradients */
  gradient: {},
  /** the exact decomposition */
  decomposition: { ...held },
  /** the same, but each factor of a gate gets half (Rezaei Jafari et al. 2024) */
  mambaLrp: { ...held, gate: 'half' },
};

/**
 * Rule sets (math.md section 5): what a backward pass holds constant, by op. A relevance method is one of these and
 * where to start.
 */
export const rules: typeof sets = sets;

/**
 * Says what the rule sets hold of an op that they do not know: one that a third party declared with rules of its own (`defineOp`).
 * Without, the exact decomposition would take the op's true gradient, and its shares would not add up where that is not linear.
 * @param op the op's name
 * @param chosen by rule set, the op's rule: `{ decomposition: 'hold', mambaLrp: 'half' }`
 * @throws ExplainError for a rule set that does not exist, or an op that it knows
 */
export function registerRules(op: string, chosen: Readonly<Partial<Record<Exclude<keyof typeof sets, 'gradient'>, string>>>): void {
  for (const [name, rule] of Object.entries(chosen)) {
    const set = Object.hasOwn(sets, name) && name !== 'gradient' ? (sets[name as keyof typeof sets] as Record<string, string>) : undefined;
    if (!set) throw new ExplainError(`there is no rule set "${name}"; there are decomposition and mambaLrp`);
    if (set[op] !== undefined && set[op] !== rule)
      throw new ExplainError(`rule set "${name}" has the rule "${set[op]}" for ${op} already; give your op a name of its own`);
    set[op] = rule;
  }
}
