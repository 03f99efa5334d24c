import type { RuleSet } from '@hidden-attention/tensor';

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

/**
 * Rule sets (math.md section 5): what a backward pass holds constant, by op. A relevance method is one of these and
 * where to start.
 */
export const rules: Readonly<Record<'gradient' | 'decomposition' | 'mambaLrp', RuleSet>> = {
  /** true gradients */
  gradient: {},
  /** the exact decomposition */
  decomposition: held,
  /** the same, but each factor of a gate gets half (Rezaei Jafari et al. 2024) */
  mambaLrp: { ...held, gate: 'half' },
};
