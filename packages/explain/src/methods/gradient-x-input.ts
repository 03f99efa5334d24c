import { defineExplainer, type Explainer } from '../explainer.js';
import { rules } from '../rules.js';
import { relevanceOf } from './relevance.js';

/** Gradient × input: e_j · ∂logit/∂e_j, e the embeddings. */
export const gradientTimesInput: Explainer = defineExplainer({
  name: 'gradient-x-input',
  title: 'Gradient × input',
  summary:
    "How fast the answer's score would move if the signal of a piece of the input were turned up a little; negative means that it would fall.",
  cite: 'Shrikumar, Greenside, Shcherbina, Kundaje: Not Just a Black Box. 2016, arXiv 1605.01713',
  signed: true,
  supports: () => true,
  async explain(question) {
    const { stream } = await question.gradient(rules.gradient);
    return { scores: await relevanceOf(question.stream()[0]!, stream[0]!) };
  },
});
