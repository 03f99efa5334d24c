import * as z from '@hidden-attention/model/schema';
import { explained } from '../choices.js';
import { compareMaps, metricFigures } from '../compare.js';
import { defineProtocol, type Protocol } from '../protocol.js';

interface Options {
  explain: 'predicted' | 'label';
  model: string;
}

/** The label test: the map against that of the same model trained on shuffled labels, which has learnt the inputs and nothing about them. */
export const sanityLabels: Protocol<Options> = defineProtocol({
  name: 'sanity-labels',
  title: 'Sanity check: random labels',
  summary: 'Whether the map differs from that of a model which was trained on labels drawn at random.',
  cite: 'Adebayo, Gilmer, Muelly, Goodfellow, Hardt, Kim 2018, arXiv 1810.03292',
  get figures() {
    return metricFigures('lower', 'with the model trained on random labels');
  },
  options: () => z.strictObject({ explain: explained(), model: z.string().min(1) }),
  oracle: true,
  supports: () => true,
  async measure(item, { explain, model: name }) {
    const target = await item.target(explain);
    const model = await item.variant(`trained on random labels: ${name}`, async ({ device }) => {
      const { resolveModel } = await import('../models.js');
      return (await resolveModel(name, { device })).model;
    });
    return { values: await compareMaps(item, { explained: target }, { explained: target, model, change: name }) };
  },
});
