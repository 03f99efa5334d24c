import * as z from '@hidden-attention/model/schema';
import type { Case } from '../case.js';
import { explained } from '../choices.js';
import { compareMaps, meanOf, metricFigures } from '../compare.js';
import { defineProtocol, type Measured, type Protocol } from '../protocol.js';
import { groupsFromTheHead, randomized, type ParameterGroup } from '../randomize.js';

interface Options {
  explain: 'predicted' | 'label';
}

const cite = 'Adebayo, Gilmer, Muelly, Goodfellow, Hardt, Kim 2018, arXiv 1810.03292';
const options = () => z.strictObject({ explain: explained() });

/** How alike the map and those of ever more randomised models are; the class that the trained model's map is about stays. */
async function alikeAfter(
  item: Case,
  steps: readonly { name: string; groups: readonly ParameterGroup[] }[],
  explain: Options['explain'],
): Promise<Record<string, number>[]> {
  const target = await item.target(explain);
  const results: Record<string, number>[] = [];
  for (const { name, groups } of steps) {
    const change = `${name}, seed ${item.seed}`;
    const model = await item.variant(change, (own) => randomized(own, groups, item.seed));
    results.push(await compareMaps(item, { explained: target }, { explained: target, model, change }));
  }
  return results;
}

/** Curves by depth, and as figures the comparison that counts. */
function measured(counted: Record<string, number>, alike: readonly Record<string, number>[]): Measured {
  const head = { head: alike[0]!['spearman'] ?? 0 };
  return {
    values: { ...counted, ...head },
    curves: Object.fromEntries(Object.keys(counted).map((name) => [name, alike.map((own) => own[name]!)])),
  };
}

const headFigure = {
  name: 'head',
  better: 'neither',
  summary: 'rank correlation with only the head randomised: 1 of a method that knows no class, as all that look at attention alone',
} as const;

/**
 * Cascading randomisation: from the head down, layer by layer, until all weights are fresh. The figures are of the last step: a map that
 * still looks like itself shows the input, or the architecture, and not what the model has learnt.
 */
export const sanityCascading: Protocol<Options> = defineProtocol({
  name: 'sanity-cascading',
  title: 'Sanity check: cascading randomisation',
  summary: 'Whether the map changes when the weights that the model has learnt are lost, from the head down.',
  cite,
  get figures() {
    return [...metricFigures('lower', 'with all weights randomised'), headFigure];
  },
  options,
  draws: true,
  oracle: true,
  supports: () => true,
  async measure(item, { explain }) {
    const groups = groupsFromTheHead(item.model);
    const steps = groups.map(({ name }, i) => ({ name: `down to ${name}`, groups: groups.slice(0, i + 1) }));
    const alike = await alikeAfter(item, steps, explain);
    return measured(alike.at(-1)!, alike);
  },
  curve: { xLabel: 'parts randomised, from the head down', yLabel: 'likeness' },
});

/** Independent randomisation: one layer at a time, all others as they were. The figures are means over layers. */
export const sanityIndependent: Protocol<Options> = defineProtocol({
  name: 'sanity-independent',
  title: 'Sanity check: independent randomisation',
  summary: 'How much the map changes when a single layer loses what it has learnt, mean over the layers.',
  cite,
  get figures() {
    return [...metricFigures('lower', 'with one part randomised, mean over parts'), headFigure];
  },
  options,
  draws: true,
  oracle: true,
  supports: () => true,
  async measure(item, { explain }) {
    const steps = groupsFromTheHead(item.model).map((group) => ({ name: `only ${group.name}`, groups: [group] }));
    const alike = await alikeAfter(item, steps, explain);
    return measured(meanOf(alike), alike);
  },
  curve: { xLabel: 'the part randomised, from the head down', yLabel: 'likeness' },
});
