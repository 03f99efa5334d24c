import * as z from '@hidden-attention/model/schema';
import { explained } from '../choices.js';
import { compareMaps, meanOf, metricFigures } from '../compare.js';
import { defineProtocol, type Protocol } from '../protocol.js';
import { reseeded } from '../ranker.js';

interface Options {
  explain: 'predicted' | 'label';
  models: string[];
}

/**
 * Run to run: the map against that of a second run. Where models are named (the same training from other seeds), against theirs; else the
 * method is asked again, with another seed if it draws at random.
 */
export const repeatability: Protocol<Options> = defineProtocol({
  name: 'repeatability',
  title: 'Run to run',
  summary: 'How alike the map is when it is made again: with other random draws, or on models trained from other seeds.',
  cite: 'this library; run-to-run agreement as in Fel et al. 2022, arXiv 2009.04521',
  get figures() {
    return metricFigures('higher', 'with a second run');
  },
  options: () => z.strictObject({ explain: explained(), models: z.array(z.string().min(1)).default([]) }),
  draws: true,
  oracle: true,
  supports: () => true,
  async measure(item, { explain, models }) {
    const target = await item.target(explain);
    const request = { explained: target };
    if (models.length === 0) {
      const ranker = reseeded(item.ranker, item.seed + 1);
      return { values: await compareMaps(item, request, { ...request, ranker, change: 'a second run' }) };
    }
    const alike: Record<string, number>[] = [];
    for (const name of models) {
      const model = await item.variant(`model ${name}`, async ({ device }) => {
        const { resolveModel } = await import('../models.js');
        return (await resolveModel(name, { device })).model;
      });
      alike.push(await compareMaps(item, request, { ...request, model, change: name }));
    }
    return { values: meanOf(alike) };
  },
});
