import * as z from '@hidden-attention/model/schema';
import { explained, fill, fillFits, fillFor, type Fill } from '../choices.js';
import { defineProtocol, type Protocol } from '../protocol.js';
import { areaUnder, ranked } from '../ranking.js';
import { answersAlong, onlyFree, tenths } from '../unit-curves.js';

interface Options {
  explain: 'predicted' | 'label';
  fill?: Fill | undefined;
}

/** Pruning (Ali et al. 2022): the least relevant, whichever sign, go first; area under the squared change of all logits. */
export const pruning: Protocol<Options> = defineProtocol({
  name: 'pruning',
  title: 'Pruning',
  summary: 'How far the answers move when the parts that the map thinks least of are taken away first.',
  cite: 'Ali, Schnake, Eberle, Montavon, Müller, Wolf 2022, arXiv 2202.07304; Ali, Zimerman, Wolf 2025, table 3',
  figures: [{ name: 'AU-MSE', better: 'lower', summary: 'area under Σ (logit − its clean value)², not bounded' }],
  options: () => z.strictObject({ explain: explained(), fill: fill() }),
  oracle: true,
  supports: (example, _, { fill: given }) => fillFits(example, given, 'unknown'),
  async measure(item, { explain, fill: given }) {
    const sizes = (await item.unitScores({ explained: explain })).map(Math.abs);
    const answers = await answersAlong(
      item,
      onlyFree(item, ranked(sizes, 'lowest')),
      tenths,
      fillFor(item.example, given, 'black', 'unknown'),
    );
    const clean = answers[0]!;
    const curve = answers.map((logits) => logits.reduce((sum, logit, k) => sum + (logit - clean[k]!) ** 2, 0));
    return { values: { 'AU-MSE': areaUnder(tenths, curve) }, curves: { pruning: curve } };
  },
  curve: { x: () => [...tenths], xLabel: 'share removed', yLabel: 'squared change of the logits' },
});
