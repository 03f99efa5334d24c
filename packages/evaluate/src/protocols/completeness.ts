import * as z from '@hidden-attention/model/schema';
import { explained } from '../choices.js';
import { defineProtocol, type Protocol } from '../protocol.js';

interface Options {
  explain: 'predicted' | 'label';
}

/** Completeness (efficiency, conservation): whether scores and what the biases receive add up to the explained logit. */
export const completeness: Protocol<Options> = defineProtocol({
  name: 'completeness',
  title: 'Completeness',
  summary: 'How far the scores, with what goes to the biases, are from adding up to the score of the answer.',
  cite: 'Sundararajan, Taly, Yan 2017, arXiv 1703.01365; Bach et al. 2015',
  figures: [
    { name: 'gap', better: 'lower', summary: '|scores + biases − logit| as a share of Σ|scores| + |biases|' },
    { name: 'within-0.01-percent', better: 'higher', summary: 'share of the examples with a gap below 1e-4' },
  ],
  options: () => z.strictObject({ explain: explained() }),
  oracle: false,
  supports: () => true,
  async measure(item, { explain }) {
    const target = await item.target(explain);
    const { scores, biases = 0 } = await item.map({ explained: target });
    const logit = (await item.logits())[target]!;
    let [total, size] = [biases, Math.abs(biases)];
    for (let at = 0; at < scores.length; at++) [total, size] = [total + scores[at]!, size + Math.abs(scores[at]!)];
    const gap = size === 0 ? Math.abs(logit) : Math.abs(total - logit) / size;
    return { values: { gap, 'within-0.01-percent': gap < 1e-4 ? 1 : 0 } };
  },
});
