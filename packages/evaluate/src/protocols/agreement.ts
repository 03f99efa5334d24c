import * as z from '@hidden-attention/model/schema';
import { explained } from '../choices.js';
import { compareMaps, meanOf, metricFigures } from '../compare.js';
import { defineProtocol, type Protocol } from '../protocol.js';

interface Options {
  explain: 'predicted' | 'label';
}

/** How much a method agrees with the others on the same question (Krishna et al. 2022): means over the other methods of the sweep. */
export const agreement: Protocol<Options> = defineProtocol({
  name: 'agreement',
  title: 'Agreement between methods',
  summary: 'How alike the map is to those that the other methods give of the same answer.',
  cite: 'Krishna et al. 2022, arXiv 2202.01602',
  get figures() {
    return metricFigures('neither', 'mean over the other methods');
  },
  options: () => z.strictObject({ explain: explained() }),
  oracle: true,
  supports: () => true,
  async measure(item, { explain }) {
    const explainedClass = await item.target(explain);
    const others = item.others.filter(({ name }) => name !== item.ranker.name);
    const alike: Record<string, number>[] = [];
    for (const ranker of others)
      alike.push(await compareMaps(item, { explained: explainedClass }, { explained: explainedClass, ranker, change: 'another method' }));
    return { values: meanOf(alike) };
  },
});
