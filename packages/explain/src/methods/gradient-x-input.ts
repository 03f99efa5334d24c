import { defineExplainer, type Explainer } from '../explainer.js';
import { rules } from '../rules.js';
import { relevanceOf } from './relevance.js';

/** Gradient × input: e_j · ∂logit/∂e_j, e the embeddings. */
export const gradientTimesInput: Explainer = defineExplainer({
  name: 'gradient-x-input',
  title: 'Gradient × input',
  summary: "How the answer's score would change, to first order, if a token's embedding grew a little: the score's slope along each token.",
  cite: 'Shrikumar, Greenside, Shcherbina, Kundaje: Not Just a Black Box. 2016, arXiv 1605.01713',
  signed: true,
  supports: () => true,
  async explain(question) {
    const { stream } = await question.gradient(rules.gradient);
    return { scores: await relevanceOf(question.stream()[0]!, stream[0]!) };
  },
});
