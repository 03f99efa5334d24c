// An explainer that gives one score too few: the conformance kit has to find it.
import { testExplainer } from '@hidden-attention/explain/conformance';
import { valueWeighted } from 'value-weighted-attention';

testExplainer({
  ...valueWeighted,
  async explain(question, options) {
    const { scores } = await valueWeighted.explain(question, options);
    return { scores: Array.from(scores).slice(1) };
  },
});
