// Small models with every bias at work, for the tests of this package.
import type { Model } from '@hidden-attention/model';
import { modelWithBiases } from '../../../test/models.js';
import { randomNumbers } from '../../../test/numbers.js';

export { randomNumbers };

/** A model with random biases and skips. */
export function smallModel(extra: Record<string, unknown> = {}, seed = 1): Model {
  const json = {
    model_type: 'mamba',
    vocab_size: 300,
    hidden_size: 12,
    state_size: 6,
    num_hidden_layers: 3,
    use_bias: true,
    initializer_range: 0.6,
    ...extra,
  };
  return modelWithBiases(json, seed);
}

export const classifier = (pooling: 'mean' | 'last', seed = 1): Model =>
  smallModel({ architectures: ['MambaForSequenceClassification'], id2label: { 0: 'ham', 1: 'spam', 2: 'news' }, pooling }, seed);

/** Ids of a text, the same for the same seed. */
export function randomIds(seed: number, length: number, vocabulary = 300): number[] {
  return Array.from(randomNumbers(seed, length), (value) => Math.floor(((value + 1) / 2) * vocabulary));
}
