// An explainer that gives other scores each time: the conformance kit has to find it.
import { testExplainer } from '@hidden-attention/explain/conformance';
import { valueWeighted } from 'value-weighted-attention';

testExplainer({
  ...valueWeighted,
  async explain(question, options) {
    const { scores } = await valueWeighted.explain(question, options);
    return { scores: Array.from(scores, (score) => score + Math.random()) };
  },
});
