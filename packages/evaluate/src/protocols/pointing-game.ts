import * as z from '@hidden-attention/model/schema';
import { explained, needsTruth } from '../choices.js';
import { defineProtocol, type Protocol } from '../protocol.js';
import { largestAt } from '../ranking.js';
import { mean } from '../statistics.js';
import { relevantUnits } from './eraser.js';

interface Options {
  explain: 'predicted' | 'label';
  tolerance?: number | undefined;
}

/** Pixels by which the point may miss: 15 at a side of 224. */
const scaledTolerance = (side: number): number => (15 * side) / 224;

/**
 * The pointing game (Zhang et al. 2016): whether the highest score lies where the answer is known to lie; hits/(hits + misses), mean
 * over classes. And the energy version (Wang et al. 2020): the share of positive scores that lies there.
 */
export const pointingGame: Protocol<Options> = defineProtocol({
  name: 'pointing-game',
  title: 'Pointing game',
  summary: 'Whether the highest score lies where the answer is known to lie, and how much of the map does.',
  cite: 'Zhang, Lin, Brandt, Shen, Sclaroff 2016, arXiv 1608.00507; energy: Wang et al. 2020, arXiv 1910.01279',
  figures: [
    { name: 'accuracy', better: 'higher', summary: 'share of hits, mean over classes' },
    { name: 'energy', better: 'higher', summary: 'share of the positive scores inside' },
  ],
  options: () => z.strictObject({ explain: explained(), tolerance: z.coerce.number().min(0).optional() }),
  oracle: true,
  supports: needsTruth,
  async measure(item, { explain, tolerance }) {
    const { example, pixels } = item;
    const scores = pixels ? await item.pixelScores({ explained: explain }) : await item.unitScores({ explained: explain });
    const inside = pixels ? example.mask! : relevantUnits(item.truth!);
    const top = largestAt(scores);
    let hit = inside[top] === 1;
    if (pixels && !hit) {
      const [height, width] = pixels;
      const reach = tolerance ?? scaledTolerance(Math.min(height, width));
      const [y, x] = [Math.floor(top / width), top % width];
      hit = inside.some((is, at) => is === 1 && Math.hypot(Math.floor(at / width) - y, (at % width) - x) <= reach);
    }
    const positive = scores.map((score) => Math.max(0, score));
    const total = positive.reduce((sum, score) => sum + score, 0);
    const own = positive.reduce((sum, score, at) => sum + (inside[at] ? score : 0), 0);
    return { values: { hit: hit ? 1 : 0, class: example.label ?? -1, energy: total === 0 ? 0 : own / total } };
  },
  summarize(records) {
    const classes = new Map<number, number[]>();
    for (const { class: label, hit } of records) {
      const known = classes.get(label!);
      if (known) known.push(hit!);
      else classes.set(label!, [hit!]);
    }
    return { accuracy: mean([...classes.values()].map(mean)), energy: mean(records.map(({ energy }) => energy!)) };
  },
});
