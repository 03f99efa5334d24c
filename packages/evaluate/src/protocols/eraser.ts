import { probabilities } from '@hidden-attention/explain';
import * as z from '@hidden-attention/model/schema';
import { allOf, explained, fill, fillFits, fillFor, needsTruth, type Fill } from '../choices.js';
import type { Case } from '../case.js';
import { defineProtocol, type Protocol } from '../protocol.js';
import { averagePrecision, f1, ranked } from '../ranking.js';
import { mean } from '../statistics.js';
import { onlyFree } from '../unit-curves.js';

interface Options {
  explain: 'predicted' | 'label';
  fill?: Fill | undefined;
}

/** Numbers of units that are taken for the rationale, and shares whose removal, and keeping, is looked at. */
const counts = Array.from({ length: 16 }, (_, i) => 5 * (i + 1));
const shares = [0.01, 0.05, 0.1, 0.2, 0.5];

/** Which units a known rationale is of: at least half of it. */
export const relevantUnits = (truth: Float64Array): Uint8Array => {
  const relevant = Uint8Array.from(truth, (share) => (share >= 0.5 ? 1 : 0));
  // an object smaller than a patch is where most of it is
  if (!relevant.includes(1)) relevant[truth.indexOf(Math.max(...truth))] = 1;
  return relevant;
};

/** Agreement with a known rationale, and whether the rationale that the map names is what the answer rests on (DeYoung et al. 2020). */
export const eraser: Protocol<Options> = defineProtocol({
  name: 'eraser',
  title: 'ERASER',
  summary:
    'How well the map finds the parts that the right answer is known to rest on, and whether the answer needs, and gets by with, what it ranks highest.',
  cite: 'DeYoung et al. 2020, arXiv 1911.03429',
  figures: [
    { name: 'AUPRC', better: 'higher', summary: 'average precision against the known rationale' },
    { name: 'token-F1', better: 'higher', summary: 'F1 of the top 5, 10, … 80 units, mean' },
    { name: 'IOU-F1', better: 'higher', summary: 'F1 of spans that overlap by half, as many units taken as the rationale has' },
    { name: 'comprehensiveness', better: 'higher', summary: 'fall of the probability without the top 1, 5, 10, 20, 50 %, mean' },
    { name: 'sufficiency', better: 'lower', summary: 'fall of the probability with nothing but them, mean' },
  ],
  options: () => z.strictObject({ explain: explained(), fill: fill() }),
  oracle: true,
  supports: (example, _, { fill: given }) => allOf(needsTruth(example), fillFits(example, given, 'cut')),
  async measure(item, { explain, fill: given }) {
    const scores = await item.unitScores({ explained: explain });
    const relevant = relevantUnits(item.truth!);
    const order = ranked(scores);
    const fitting = counts.filter((count) => count <= order.length);
    const sizes = fitting.length > 0 ? fitting : [order.length];
    const wanted = relevant.reduce((sum, value) => sum + value, 0);
    return {
      values: {
        AUPRC: averagePrecision(scores, relevant),
        'token-F1': mean(sizes.map((count) => f1(order.slice(0, count), relevant))),
        'IOU-F1': spanF1(
          order.slice(0, wanted),
          Array.from(relevant.keys()).filter((unit) => relevant[unit]!),
        ),
        ...(await erasure(item, onlyFree(item, order), explain, fillFor(item.example, given, 'black', 'cut'))),
      },
    };
  },
});

async function erasure(
  item: Case,
  order: readonly number[],
  explain: Options['explain'],
  how: Fill,
): Promise<{ comprehensiveness: number; sufficiency: number }> {
  const target = await item.target(explain);
  const tops = shares.map((share) => Math.min(order.length - 1, Math.max(1, Math.round(share * order.length))));
  const removals = [[], ...tops.map((count) => order.slice(0, count)), ...tops.map((count) => order.slice(count))];
  const [clean, ...rest] = (await item.answersWithout(removals, { fill: how })).map((logits) => probabilities(logits)[target]!);
  const fall = mean(rest.slice(0, shares.length).map((p) => clean! - p));
  return { comprehensiveness: fall, sufficiency: mean(rest.slice(shares.length).map((p) => clean! - p)) };
}

type Span = [start: number, end: number];

/** Runs of neighbouring units. */
function spansOf(units: readonly number[]): Span[] {
  const spans: Span[] = [];
  for (const unit of units.toSorted((a, b) => a - b)) {
    const last = spans.at(-1);
    if (last && last[1] === unit) last[1] = unit + 1;
    else spans.push([unit, unit + 1]);
  }
  return spans;
}

/** F1 of spans: one is found where intersection over union with a span of the other side is at least a half. */
function spanF1(chosen: readonly number[], wanted: readonly number[]): number {
  const [ours, theirs] = [spansOf(chosen), spansOf(wanted)];
  const matches = ours.filter(([start, end]) =>
    theirs.some(([from, to]) => {
      const both = Math.max(0, Math.min(end, to) - Math.max(start, from));
      return both / (end - start + to - from - both) >= 0.5;
    }),
  ).length;
  return matches === 0 ? 0 : (2 * matches) / (ours.length + theirs.length);
}
