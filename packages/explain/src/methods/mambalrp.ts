import * as z from '@hidden-attention/model/schema';
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
  /** how much more contributions of an output's own sign count in linear layers and convolutions; 0: not at all */
  gamma: number;
}

const names = Object.keys(parts) as [Part, ...Part[]];
const list = () =>
  z.preprocess(
    (value) => (typeof value === 'string' ? value.split(',').filter((name) => name !== '' && name !== 'none') : value),
    z.array(z.enum(names)),
  );

function rulesOf({ without, gamma }: MambaLrpOptions): RuleSet {
  const left = new Set<string>(without.flatMap((part) => parts[part]));
  const kept = Object.fromEntries(Object.entries(rules.mambaLrp).filter(([op]) => !left.has(op)));
  return gamma === 0 ? kept : { ...kept, linear: `gamma:${gamma}`, causalConv1d: `gamma:${gamma}` };
}

/**
 * MambaLRP: gradient × input through a model in which 1/rms, SiLU(c)/c and the scan's dynamics are held and each factor of a gate
 * gets half (math.md section 5). The relevance of tokens and biases adds up to the logit, unless a rule is left out. With `gamma`, linear
 * layers and convolutions follow the generalised γ rule, as the paper has it for images.
 */
export const mambaLrp: Explainer<MambaLrpOptions> = defineExplainer({
  name: 'mambalrp',
  title: 'MambaLRP',
  summary:
    "The answer's score taken apart into shares of the input's pieces, where a gate and what it lets through each get half of what they make together.",
  cite: 'Rezaei Jafari, Montavon, Müller, Eberle: MambaLRP. NeurIPS 2024, arXiv 2406.07592',
  signed: true,
  complete: ({ without }) => without.length === 0,
  options: () => z.strictObject({ without: list().default([]), gamma: z.coerce.number().min(0).default(0), ...groupsOption() }),
  supports: () => true,
  async explain(question, options) {
    const chosen = rulesOf(options);
    return { ...(await shares(question, chosen)), ...(await channelGroups(question, chosen, options.groups)) };
  },
});
