import { defineProtocol, getProtocol, ModelCase, rankerOf, Variants } from '@hidden-attention/evaluate';
import { getExplainer } from '@hidden-attention/explain';
import { createModel } from '@hidden-attention/model';

const model = createModel({ model_type: 'mamba', vocab_size: 32, hidden_size: 16, num_hidden_layers: 2 });
const example = { index: 0, ids: Int32Array.of(5, 9, 2, 7, 7, 1), label: 3, rationale: [2] };

// a protocol of one's own: how much of a map lies on its first token
const firstToken = defineProtocol({
  name: 'first-token',
  title: 'First token',
  summary: 'How much of the map lies on the first token.',
  cite: 'this page',
  figures: [{ name: 'share', better: 'neither', summary: 'its share of all sizes' }],
  oracle: false,
  supports: () => true,
  async measure(item) {
    const sizes = (await item.unitScores()).map(Math.abs);
    return { values: { share: sizes[0]! / sizes.reduce((a, b) => a + b, 0) } };
  },
});

const ranker = rankerOf(getExplainer('decomposition'), {});
const item = new ModelCase({ data: 'an example', model, variants: new Variants(model), others: [] }, example, ranker, 1);
for (const protocol of [getProtocol('pointing-game'), getProtocol('completeness'), firstToken]) {
  const { values } = await protocol.measure(item, protocol.options?.parse({}) ?? {});
  console.log(protocol.name, values);
}
