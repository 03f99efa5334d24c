// A package of explainers, as sweeps import them by name: one that fails.
import { registerExplainer } from '@hidden-attention/explain';

registerExplainer({
  name: 'fails-everywhere',
  title: 'Fails',
  summary: 'Fails.',
  cite: 'here',
  signed: true,
  supports: () => true,
  explain: async () => {
    throw new Error('no luck');
  },
});
