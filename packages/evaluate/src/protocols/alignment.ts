import * as z from '@hidden-attention/model/schema';
import { needsQueries } from '../choices.js';
import { defineProtocol, type Protocol } from '../protocol.js';
import { largestAt } from '../ranking.js';
import { rowOf } from './copy.js';

/**
 * Alignment error rate (Och and Ney 2003): each row's highest score is taken as its alignment A; with sure links S and possible ones P ⊇ S,
 * 1 − (|A∩S| + |A∩P|)/(|A| + |S|), over all rows of the data set.
 */
export const alignment: Protocol = defineProtocol({
  name: 'alignment',
  title: 'Alignment',
  summary: 'How often the highest score of each row misses the place that its answer comes from.',
  cite: 'Och, Ney 2003; for Mamba: Pitorro, Treviso 2025, arXiv 2502.15612',
  figures: [{ name: 'AER', better: 'lower', summary: 'alignment error rate, from 0 to 1' }],
  options: () => z.strictObject({}),
  oracle: true,
  supports: needsQueries,
  async measure(item) {
    let [sure, possible, links, wanted] = [0, 0, 0, 0];
    for (const query of item.example.queries!) {
      const top = largestAt(await rowOf(item, query));
      if (query.sources.includes(top)) sure++;
      if (query.sources.includes(top) || query.possible?.includes(top)) possible++;
      links++;
      wanted += query.sources.length;
    }
    return { values: { sure, possible, links, wanted } };
  },
  summarize(records) {
    const sum = (name: string): number => records.reduce((total, record) => total + record[name]!, 0);
    return { AER: 1 - (sum('sure') + sum('possible')) / (sum('links') + sum('wanted')) };
  },
});
