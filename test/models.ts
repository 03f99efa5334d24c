// Models for the tests of several packages.
import { createModel, Model } from '../packages/model/src/index.js';
import { Tensor } from '../packages/tensor/src/index.js';
import { randomNumbers } from './numbers.js';

/** A fresh model whose biases and skips are random, so that no term of its blocks vanishes. */
export function modelWithBiases(json: Readonly<Record<string, unknown>>, seed: number): Model {
  const fresh = createModel(json, { seed });
  const parameters = new Map(fresh.parameters);
  let index = seed * 1000;
  for (const [name, { shape, size }] of fresh.parameters)
    if (name.endsWith('bias') || name.endsWith('.D')) {
      const numbers = randomNumbers(++index, size).map((value) => 0.7 * value);
      parameters.set(name, Tensor.from(numbers, shape));
    }
  return new Model(fresh.family, fresh.config, fresh.json, parameters, fresh.device);
}
