import * as z from '@hidden-attention/model/schema';
import { allOf, explained, fill, fillFits, fillFor, needsLabel, type Fill } from '../choices.js';
import { defineProtocol, type Protocol } from '../protocol.js';
import { areaUnder, largestAt, ranked, tiedShare } from '../ranking.js';

interface Options {
  explain: 'predicted' | 'label';
  fill?: Fill | undefined;
}

const fractions = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];

/** Areas of accuracies at 0 (the clean input) and the nine fractions: in percent. */
function areas(curve: readonly number[]): { chefer: number; inner: number } {
  return { chefer: 100 * areaUnder([0, ...fractions], curve), inner: 100 * areaUnder(fractions, curve.slice(1)) };
}

/**
 * Perturbation tests as Chefer et al. and Ali et al. do them: of an image always the clean one with the int(h·w·f) highest- (positive)
 * or lowest-ranked (negative) pixels set to 0 before normalisation; of a text with words replaced. Accuracy is of the true label
 * throughout, whichever class is explained.
 */
export const perturbation: Protocol<Options> = defineProtocol({
  name: 'perturbation',
  title: 'Perturbation',
  summary: 'How long the answer stays right while the highest-ranked (positive) or the lowest-ranked (negative) parts are taken away.',
  cite: 'Chefer, Gur, Wolf 2021, arXiv 2012.09838; Ali, Zimerman, Wolf 2025, table 1',
  figures: [
    { name: 'positive', better: 'lower', summary: '100 · area under the accuracy from 0 to 0.9, highest-ranked removed first; at most 90' },
    { name: 'negative', better: 'higher', summary: 'the same, lowest-ranked removed first' },
    { name: 'positive-0.1-0.9', better: 'lower', summary: 'the same area from 0.1 on; at most 80' },
    { name: 'negative-0.1-0.9', better: 'higher', summary: 'the same, lowest-ranked removed first' },
    { name: 'ties', better: 'neither', summary: 'share of ranked places that another one equals' },
  ],
  options: () => z.strictObject({ explain: explained(), fill: fill() }),
  oracle: true,
  supports: (example, _, { fill: given }) =>
    allOf(needsLabel(example), fillFits(example, given, example.unknown === undefined ? 'cut' : 'unknown')),
  async measure(item, options) {
    const { example, pixels } = item;
    const how = fillFor(example, options.fill, 'black', example.unknown === undefined ? 'cut' : 'unknown');
    const scores = pixels ? await item.pixelScores({ explained: options.explain }) : await item.unitScores({ explained: options.explain });
    const places = pixels ? undefined : new Set(item.free);
    const order = (first: 'highest' | 'lowest'): number[] => ranked(scores, first).filter((at) => !places || places.has(at));
    const [positive, negative] = [order('highest'), order('lowest')];
    const cut = (from: readonly number[]): number[][] => fractions.map((f) => from.slice(0, Math.floor(from.length * f + 1e-9)));
    const answers = await item.answersWithout([[], ...cut(positive), ...cut(negative)], { fill: how, by: pixels ? 'pixel' : 'unit' });
    const right = answers.map((logits) => (largestAt(logits) === example.label ? 1 : 0));
    const curves = { positive: right.slice(0, 10), negative: [right[0]!, ...right.slice(10)] };
    const [a, b] = [areas(curves.positive), areas(curves.negative)];
    return {
      values: {
        positive: a.chefer,
        negative: b.chefer,
        'positive-0.1-0.9': a.inner,
        'negative-0.1-0.9': b.inner,
        ties: tiedShare(scores),
      },
      curves,
    };
  },
  curve: { x: () => [0, ...fractions], xLabel: 'share removed', yLabel: 'accuracy' },
});
