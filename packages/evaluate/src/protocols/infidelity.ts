import * as z from '@hidden-attention/model/schema';
import { allOf, explained, fill, fillFits, fillFor, type Fill } from '../choices.js';
import { defineProtocol, type Protocol } from '../protocol.js';
import { randomFor } from '../random.js';
import { mean } from '../statistics.js';

interface Options {
  explain: 'predicted' | 'label';
  fill?: Fill | undefined;
  samples: number;
}

/**
 * Infidelity (Yeh et al. 2019): E[(Iᵀ R − (f(x) − f(x − I)))²], I removing a random half of the free units at most, f the explained
 * logit. Scores of most methods have no unit, so `scaled` first multiplies R by the one number that fits best (Yeh et al. do so, too),
 * and divides by E[(f(x) − f(x − I))²]: 0 is perfect, 1 as good as a map of zeros.
 */
export const infidelity: Protocol<Options> = defineProtocol({
  name: 'infidelity',
  title: 'Infidelity',
  summary: 'How far the scores of what is taken away, added up, are from the fall of the answer’s score.',
  cite: 'Yeh, Hsieh, Suggala, Inouye, Ravikumar 2019, arXiv 1901.09392',
  figures: [
    {
      name: 'scaled',
      better: 'lower',
      summary: 'mean squared error after the best scaling, as a share of the mean squared fall; at most 1',
    },
    { name: 'infidelity', better: 'lower', summary: 'mean squared error of the scores as they are' },
  ],
  options: () => z.strictObject({ explain: explained(), fill: fill(), samples: z.coerce.number().int().min(2).max(10_000).default(50) }),
  draws: true,
  oracle: false,
  supports: (example, _, { fill: given }) => allOf(fillFits(example, given, 'cut')),
  async measure(item, { explain, fill: given, samples }) {
    const { free, example } = item;
    const scores = await item.unitScores({ explained: explain });
    const target = await item.target(explain);
    const random = randomFor('infidelity', item.seed, example.index);
    const removals = Array.from({ length: samples }, () => {
      const share = random() / 2;
      const chosen = free.filter(() => random() < share);
      return chosen.length > 0 ? chosen : [free[Math.floor(random() * free.length)]!];
    });
    const [clean, ...rest] = (await item.answersWithout([[], ...removals], { fill: fillFor(example, given, 'black', 'cut') })).map(
      (logits) => logits[target]!,
    );
    const falls = rest.map((logit) => clean! - logit);
    const said = removals.map((units) => units.reduce((sum, unit) => sum + scores[unit]!, 0));
    const error = (scale: number): number => mean(falls.map((fall, i) => (scale * said[i]! - fall) ** 2));
    const own = mean(said.map((value) => value ** 2));
    const scale = own === 0 ? 0 : mean(said.map((value, i) => value * falls[i]!)) / own;
    const moved = mean(falls.map((fall) => fall ** 2));
    return { values: { scaled: moved === 0 ? 0 : error(scale) / moved, infidelity: error(1) } };
  },
});
