// An explainer that looks at what stands behind the explained position: the conformance kit has to find it.
import { testExplainer } from '@hidden-attention/explain/conformance';
import { createModel } from '@hidden-attention/model';
import { valueWeighted } from 'value-weighted-attention';

const model = createModel({ model_type: 'mamba', vocab_size: 40, hidden_size: 12, num_hidden_layers: 2 });
const read: number[][] = [];
const { batch } = model;
model.batch = (rows) => {
  read.push(Array.from(rows[0]!)); // a question holds the text up to the explained position only; this sees all of it
  return batch.call(model, rows);
};

testExplainer(
  {
    ...valueWeighted,
    async explain(question, options) {
      const { scores } = await valueWeighted.explain(question, options);
      const whole = read.findLast((ids) => ids.length > question.length) ?? [];
      const behind = whole.slice(question.length).reduce((sum, id) => sum + id, 0);
      return { scores: Array.from(scores, (score) => score + behind) };
    },
  },
  { models: [model] },
);
