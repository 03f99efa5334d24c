import * as z from '@hidden-attention/model/schema';
import { defineExplainer, type Explainer } from '../explainer.js';
import { rules } from '../rules.js';
import { channelGroups, groupsOption, type GroupOptions } from './groups.js';
import { shares } from './relevance.js';

/**
 * The exact decomposition of the logit (math.md sections 4 and 5): with 1/rms, SiLU(c)/c, the gate and the scan's dynamics held at
 * this input the model is linear in its embeddings, and what does not come from them comes from biases: of the convolution, of
 * in_proj's x half and of out_proj. Biases of what is held (Δ's, in_proj's z half) receive 0.
 */
export const decomposition: Explainer<GroupOptions> = defineExplainer({
  name: 'decomposition',
  title: 'Exact decomposition',
  summary:
    "The answer's score taken apart into one share for each piece of the input and one for the model's biases; the shares add up to the score exactly.",
  cite: 'hidden-attention, docs: mathematics, "the whole block, exactly"; rules after Bach et al. 2015 and Rezaei Jafari et al. 2024',
  signed: true,
  complete: true,
  options: () => z.strictObject(groupsOption()),
  supports: () => true,
  async explain(question, { groups }) {
    return { ...(await shares(question, rules.decomposition)), ...(await channelGroups(question, rules.decomposition, groups)) };
  },
});
