import * as z from '@hidden-attention/model/schema';
import { defineExplainer, type Explainer } from '../explainer.js';
import { rules } from '../rules.js';
import { channelGroups, groupsOption, type GroupOptions } from './groups.js';
import { pixelsOf } from './pixels.js';
import { relevanceOf } from './relevance.js';

/** Gradient × input: e_j · ∂logit/∂e_j, e the embeddings. */
export const gradientTimesInput: Explainer<GroupOptions> = defineExplainer({
  name: 'gradient-x-input',
  title: 'Gradient × input',
  summary:
    "How fast the answer's score would move if the signal of a piece of the input were turned up a little; negative means that it would fall.",
  cite: 'Shrikumar, Greenside, Shcherbina, Kundaje: Not Just a Black Box. 2016, arXiv 1605.01713',
  signed: true,
  options: () => z.strictObject(groupsOption()),
  supports: () => true,
  async explain(question, { groups }) {
    const { stream } = await question.gradient(rules.gradient);
    const maps = await Promise.all(question.stream().map((value, at) => relevanceOf(value, stream[at]!)));
    const pixels = await pixelsOf(question, stream[0]!);
    return { scores: maps[0]!, layers: maps.slice(1), ...pixels, ...(await channelGroups(question, rules.gradient, groups)) };
  },
});
