import { defineExplainer, type Explainer } from '../explainer.js';
import { rules } from '../rules.js';
import { relevanceOf, totalRelevance } from './relevance.js';

/**
 * The exact decomposition of the logit (math.md sections 4 and 5): with 1/rms, SiLU(c)/c, the gate and the scan's dynamics held at
 * this input the model is linear in its embeddings, and what does not come from them comes from biases: of the convolution, of
 * in_proj's x half and of out_proj. Biases of what is held (Δ's, in_proj's z half) receive 0.
 */
export const decomposition: Explainer = defineExplainer({
  name: 'decomposition',
  title: 'Exact decomposition',
  summary:
    "The answer's score taken apart into one share for each piece of the input and one for the model's biases; the shares add up to the score exactly.",
  cite: 'hidden-attention, docs: mathematics, "the whole block, exactly"; rules after Bach et al. 2015 and Rezaei Jafari et al. 2024',
  signed: true,
  complete: true,
  supports: () => true,
  async explain(question) {
    const { stream, biases } = await question.gradient(rules.decomposition);
    const values = question.stream();
    const maps = await Promise.all(values.map((value, at) => relevanceOf(value, stream[at]!)));
    const shares = await Promise.all([...question.biases()].map(([name, bias]) => totalRelevance(bias, biases.get(name)!)));
    return { scores: maps[0]!, layers: maps.slice(1), biases: shares.reduce((sum, share) => sum + share, 0) };
  },
});
