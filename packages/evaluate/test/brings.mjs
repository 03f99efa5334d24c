// A package of explainers, as sweeps import them by name.
import { registerExplainer } from '@hidden-attention/explain';

registerExplainer({
  name: 'brought',
  title: 'Brought',
  summary: 'The last token.',
  cite: 'here',
  signed: false,
  supports: () => true,
  explain: async ({ length }) => ({ scores: Array.from({ length }, (_, at) => Number(at === length - 1)) }),
});
