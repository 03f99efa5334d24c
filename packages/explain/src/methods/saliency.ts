import * as z from '@hidden-attention/model/schema';
import { defineExplainer, type Explainer } from '../explainer.js';
import { rules } from '../rules.js';
import { normsOf, type Norm } from './embeddings.js';
import { pixelsOf } from './pixels.js';

/** Saliency: ‖∂score/∂e_j‖ over the hidden size, e the embeddings. */
export const saliency: Explainer<{ norm: Norm }> = defineExplainer({
  name: 'saliency',
  title: 'Saliency',
  summary: "How much the answer's score could move if a piece of the input were changed a little, in whichever direction moves it most.",
  cite: 'Simonyan, Vedaldi, Zisserman: Deep Inside Convolutional Networks. 2014, arXiv 1312.6034',
  signed: false,
  options: () => z.strictObject({ norm: z.enum(['l2', 'l1', 'max']).default('l2') }),
  supports: () => true,
  async explain(question, { norm }) {
    const { stream } = await question.gradient(rules.gradient);
    const norms = await Promise.all(stream.map((gradient) => normsOf(gradient, norm)));
    return { scores: norms[0]!, layers: norms.slice(1), ...(await pixelsOf(question, stream[0]!, { as: norm })) };
  },
});
