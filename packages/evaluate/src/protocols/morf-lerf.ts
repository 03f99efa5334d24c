import * as z from '@hidden-attention/model/schema';
import { allOf, explained, fill, fillFits, fillFor, type Fill } from '../choices.js';
import { defineProtocol, type Protocol } from '../protocol.js';
import { areaUnder, ranked } from '../ranking.js';
import { answersAlong, onlyFree, tenths } from '../unit-curves.js';

interface Options {
  explain: 'predicted' | 'label';
  deletion?: Fill | undefined;
  insertion?: Fill | undefined;
}

/**
 * Most relevant first against least relevant first (Samek et al. 2017, as in MambaLRP): the area between the two curves of the
 * explained logit, while units are deleted and while they are inserted.
 */
export const morfLerf: Protocol<Options> = defineProtocol({
  name: 'morf-lerf',
  title: 'Most against least relevant first',
  summary:
    'How much faster the score falls when the highest-ranked parts go first than when the lowest-ranked do; and rises when they come first.',
  cite: 'Samek et al. 2017, arXiv 1509.06321; Rezaei Jafari et al. 2024, arXiv 2406.07592',
  figures: [
    { name: 'deletion', better: 'higher', summary: 'area of least relevant first less that of most relevant first, of the logit' },
    { name: 'insertion', better: 'higher', summary: 'area of most relevant first less that of least relevant first, of the logit' },
  ],
  options: () => z.strictObject({ explain: explained(), deletion: fill(), insertion: fill() }),
  oracle: true,
  supports: (example, _, { deletion, insertion }) => allOf(fillFits(example, deletion, 'cut'), fillFits(example, insertion, 'unknown')),
  async measure(item, { explain, deletion, insertion }) {
    const { example } = item;
    const target = await item.target(explain);
    const most = onlyFree(item, ranked(await item.unitScores({ explained: explain })));
    const least = most.toReversed();
    const logits = async (order: readonly number[], shares: readonly number[], how: Fill): Promise<number[]> =>
      (await answersAlong(item, order, shares, how)).map((all) => all[target]!);
    const out = fillFor(example, deletion, 'black', 'cut');
    const into = fillFor(example, insertion, 'blur', 'unknown');
    const back = tenths.toReversed();
    const curves = {
      'deletion, most first': await logits(most, tenths, out),
      'deletion, least first': await logits(least, tenths, out),
      'insertion, most first': await logits(least, back, into),
      'insertion, least first': await logits(most, back, into),
    };
    const area = (name: keyof typeof curves): number => areaUnder(tenths, curves[name]);
    return {
      values: {
        deletion: area('deletion, least first') - area('deletion, most first'),
        insertion: area('insertion, most first') - area('insertion, least first'),
      },
      curves,
    };
  },
  curve: { x: () => [...tenths], xLabel: 'share removed, or put back', yLabel: 'logit' },
});
