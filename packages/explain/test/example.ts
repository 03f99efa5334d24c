import { byteTokenizer } from '@hidden-attention/checkpoint';
import { defineExplainer, explain } from '@hidden-attention/explain';
import { createModel } from '@hidden-attention/model';

const model = createModel({ model_type: 'mamba', vocab_size: 256, hidden_size: 32, num_hidden_layers: 2 });
const tokenizer = byteTokenizer(256, []);

// an explainer of one's own: what the last layer reads at the place of the answer
const lastLayer = defineExplainer({
  name: 'last-layer',
  title: 'Last layer',
  summary: 'What the last layer reads at the place of the answer.',
  cite: 'this page',
  signed: true,
  supports: () => true,
  explain: async (question) => ({ scores: await (await question.attention()).layer(-1).row('last').read() }),
});

const [result] = await explain({
  model,
  tokenizer,
  input: 'The cat sat on the mat.',
  target: 'text: ',
  methods: ['rollout', 'mamba-attribution:released', 'decomposition', lastLayer],
  options: { rollout: { startLayer: 1 } },
});
for (const { method, words, certificate } of result!.maps) {
  console.log(
    method,
    words!.length,
    certificate.audit.worst < 1e-5,
    certificate.check!.removed,
    (certificate.completeness?.gap ?? 0) < 1e-4,
  );
}
