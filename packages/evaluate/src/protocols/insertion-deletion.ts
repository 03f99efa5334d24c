import { probabilities } from '@hidden-attention/explain';
import * as z from '@hidden-attention/model/schema';
import { allOf, explained, fill, fillFits, fillFor, type Fill } from '../choices.js';
import { defineProtocol, type Protocol } from '../protocol.js';
import { areaUnder, ranked } from '../ranking.js';
import { onlyFree } from '../unit-curves.js';

interface Options {
  explain: 'predicted' | 'label';
  deletion?: Fill | undefined;
  insertion?: Fill | undefined;
  steps: number;
}

const shares = (steps: number): number[] => Array.from({ length: steps + 1 }, (_, i) => i / steps);

/** Insertion and deletion (RISE): the probability of the explained answer while pixels (of a text: units) go, and come, 0 and 1 included. */
export const insertionDeletion: Protocol<Options> = defineProtocol({
  name: 'insertion-deletion',
  title: 'Insertion and deletion',
  summary:
    "How soon the answer's probability falls while the highest-ranked parts go, and rises while they come back to a blurred or empty input.",
  cite: 'Petsiuk, Das, Saenko 2018, arXiv 1806.07421',
  figures: [
    { name: 'deletion', better: 'lower', summary: 'area under the probability while the highest-ranked go' },
    { name: 'insertion', better: 'higher', summary: 'area under the probability while the highest-ranked come' },
  ],
  options: () =>
    z.strictObject({
      explain: explained(),
      deletion: fill(),
      insertion: fill(),
      steps: z.coerce.number().int().min(2).max(1000).default(20),
    }),
  oracle: true,
  supports: (example, _, { deletion, insertion }) => allOf(fillFits(example, deletion, 'unknown'), fillFits(example, insertion, 'unknown')),
  async measure(item, { explain, deletion, insertion, steps }) {
    const { example, pixels } = item;
    const target = await item.target(explain);
    const order = pixels
      ? ranked(await item.pixelScores({ explained: explain }))
      : onlyFree(item, ranked(await item.unitScores({ explained: explain })));
    const by = pixels ? 'pixel' : 'unit';
    const along = shares(steps).map((share) => Math.round(share * order.length));
    const probability = async (removals: readonly number[][], how: Fill): Promise<number[]> =>
      (await item.answersWithout(removals, { fill: how, by })).map((logits) => probabilities(logits)[target]!);
    const gone = await probability(
      along.map((count) => order.slice(0, count)),
      fillFor(example, deletion, 'black', 'unknown'),
    );
    const come = await probability(
      along.map((count) => order.slice(count)),
      fillFor(example, insertion, 'blur', 'unknown'),
    );
    const x = shares(steps);
    return { values: { deletion: areaUnder(x, gone), insertion: areaUnder(x, come) }, curves: { deletion: gone, insertion: come } };
  },
  curve: { x: ({ steps }) => shares(steps), xLabel: 'share removed, or put back', yLabel: 'probability' },
});
