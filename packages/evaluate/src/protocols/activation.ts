import { probabilities } from '@hidden-attention/explain';
import * as z from '@hidden-attention/model/schema';
import { explained, fill, fillFits, fillFor, type Fill } from '../choices.js';
import { defineProtocol, type Protocol } from '../protocol.js';
import { areaUnder, ranked } from '../ranking.js';
import { answersAlong, onlyFree, tenths } from '../unit-curves.js';

interface Options {
  explain: 'predicted' | 'label';
  fill?: Fill | undefined;
}

/** Activation (Ali et al. 2022): all unknown at first, the most relevant put back first; area under the probability of the right answer. */
export const activation: Protocol<Options> = defineProtocol({
  name: 'activation',
  title: 'Activation',
  summary: 'How soon the answer comes back when an empty input is filled again, the highest-ranked parts first.',
  cite: 'Ali, Schnake, Eberle, Montavon, Müller, Wolf 2022, arXiv 2202.07304; Ali, Zimerman, Wolf 2025, table 3',
  figures: [{ name: 'AUAC', better: 'higher', summary: 'area under the probability of the right answer, from 0 to 1' }],
  options: () => z.strictObject({ explain: explained(), fill: fill() }),
  oracle: true,
  supports: (example, _, { fill: given }) => fillFits(example, given, 'unknown'),
  async measure(item, { explain, fill: given }) {
    const last = onlyFree(item, ranked(await item.unitScores({ explained: explain }))).reverse();
    const answer = await item.target(item.example.label === undefined ? explain : 'label');
    // putting the highest-ranked share back is removing all but them
    const answers = await answersAlong(item, last, tenths.toReversed(), fillFor(item.example, given, 'black', 'unknown'));
    const curve = answers.map((logits) => probabilities(logits)[answer]!);
    return { values: { AUAC: areaUnder(tenths, curve) }, curves: { activation: curve } };
  },
  curve: { x: () => [...tenths], xLabel: 'share put back', yLabel: 'probability' },
});
