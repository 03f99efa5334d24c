import { z } from 'zod';
import type { RuleSet } from '@hidden-attention/tensor';
import { defineExplainer, type Explainer } from '../explainer.js';
import { rules } from '../rules.js';
import { channelGroups, groupsOption, type GroupOptions } from './groups.js';
import { shares } from './relevance.js';

/** A rule that can be left out, and the ops that then keep their true gradients. */
const parts = {
  norm: ['rmsNorm'],
  silu: ['silu', 'gelu', 'geluTanh'],
  scan: ['selectiveScan', 'softmaxAttention'],
  gate: ['gate'],
} as const;
type Part = keyof typeof parts;

export interface MambaLrpOptions extends GroupOptions {
  /** rules left out, for ablations */
  without: Part[];
}

const names = Object.keys(parts) as [Part, ...Part[]];
const list = z.preprocess(
  (value) => (typeof value === 'string' ? value.split(',').filter((name) => name !== '' && name !== 'none') : value),
  z.array(z.enum(names)),
);

function rulesWithout(without: readonly Part[]): RuleSet {
  const left = new Set<string>(without.flatMap((part) => parts[part]));
  return Object.fromEntries(Object.entries(rules.mambaLrp).filter(([op]) => !left.has(op)));
}

/**
 * MambaLRP: gradient × input through a model in which 1/rms, SiLU(c)/c and the scan's dynamics are held and each factor of a gate
 * gets half (math.md section 5). The relevance of tokens and biases adds up to the logit, unless a rule is left out.
 */
export const mambaLrp: Explainer<MambaLrpOptions> = defineExplainer({
  name: 'mambalrp',
  title: 'MambaLRP',
  summary:
    "The answer's score taken apart into shares of the input's pieces, where a gate and what it lets through each get half of what they make together.",
  cite: 'Rezaei Jafari, Montavon, Müller, Eberle: MambaLRP. NeurIPS 2024, arXiv 2406.07592',
  signed: true,
  complete: ({ without }) => without.length === 0,
  options: z.strictObject({ without: list.default([]), ...groupsOption }),
  supports: () => true,
  async explain(question, { without, groups }) {
    const chosen = rulesWithout(without);
    return { ...(await shares(question, chosen)), ...(await channelGroups(question, chosen, groups)) };
  },
});
