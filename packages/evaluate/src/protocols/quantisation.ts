import { inPrecision, type Precision } from '@hidden-attention/model';
import * as z from '@hidden-attention/model/schema';
import { explained } from '../choices.js';
import { compareMaps, metricFigures } from '../compare.js';
import type { Figure, Protocol } from '../protocol.js';
import { defineProtocol } from '../protocol.js';

interface Options {
  explain: 'predicted' | 'label';
}

const held: readonly Precision[] = ['bf16', 'int8'];

/** Whether maps outlive smaller weights: the map of the model in f32 against those of the same model with its weights in bf16 and int8. */
export const quantisation: Protocol<Options> = defineProtocol({
  name: 'quantisation',
  title: 'Smaller weights',
  summary: 'How alike the map stays when the weights are rounded to 16 bits or to 8.',
  cite: 'this library',
  get figures() {
    return held.flatMap((precision): Figure[] =>
      metricFigures('higher', `with weights in ${precision}`).map((figure) => ({ ...figure, name: `${precision}-${figure.name}` })),
    );
  },
  options: () => z.strictObject({ explain: explained() }),
  oracle: true,
  supports: () => true,
  async measure(item, { explain }) {
    const target = await item.target(explain);
    const values: Record<string, number> = {};
    for (const precision of held) {
      const model = await item.variant(`in ${precision}`, (own) => inPrecision(own, precision));
      const alike = await compareMaps(item, { explained: target }, { explained: target, model, change: precision });
      for (const [name, value] of Object.entries(alike)) values[`${precision}-${name}`] = value;
    }
    return { values };
  },
});
