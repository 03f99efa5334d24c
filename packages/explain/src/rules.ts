import type { RuleSet } from '@hidden-attention/tensor';

/**
 * Rule sets (math.md section 5): what a backward pass holds constant, by op. A relevance method is one of these and
 * where to start.
 */
export const rules: Readonly<Record<'gradient' | 'decomposition', RuleSet>> = {
  /** true gradients */
  gradient: {},
  /** everything that is not linear is held at this input, so that relevance adds up to the logit exactly */
  decomposition: {
    selectiveScan: 'holdDynamics',
    softmaxAttention: 'holdAttention',
    rmsNorm: 'holdScale',
    silu: 'holdRatio',
    gelu: 'holdRatio',
    geluTanh: 'holdRatio',
    gate: 'hold',
  },
};
