// Small models with every bias at work, for the tests of this package.
import { createModel, Model } from '@hidden-attention/model';
import { Tensor } from '@hidden-attention/tensor';

/** Uniform numbers in [−1, 1), the same for the same seed. */
export function randomNumbers(seed: number, count: number): Float32Array<ArrayBuffer> {
  let x = (seed * 2654435761 + 1) >>> 0 || 1;
  return Float32Array.from({ length: count }, () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) / 2 ** 31 - 1;
  });
}

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
  const fresh = createModel(json, { seed });
  const parameters = new Map(fresh.parameters);
  let index = seed * 1000;
  for (const [name, tensor] of fresh.parameters) {
    if (name.endsWith('bias') || name.endsWith('.D'))
      parameters.set(
        name,
        Tensor.from(
          randomNumbers(++index, tensor.size).map((value) => 0.7 * value),
          tensor.shape,
        ),
      );
  }
  return new Model(fresh.family, fresh.config, fresh.json, parameters, fresh.device);
}

export const classifier = (pooling: 'mean' | 'last', seed = 1): Model =>
  smallModel({ architectures: ['MambaForSequenceClassification'], id2label: { 0: 'ham', 1: 'spam', 2: 'news' }, pooling }, seed);

/** Ids of a text, the same for the same seed. */
export function randomIds(seed: number, length: number, vocabulary = 300): number[] {
  return Array.from(randomNumbers(seed, length), (value) => Math.floor(((value + 1) / 2) * vocabulary));
}
