import { sizeOf, Tensor, type Device, type Float } from '@hidden-attention/tensor';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { Model } from './model.js';
import { getFamily } from './registry.js';

/**
 * A model with fresh parameters, drawn as its family prescribes. The same seed gives the same numbers, parameter by parameter.
 * @param json the content of a config.json; `model_type` chooses the family
 */
export function createModel(json: Readonly<Record<string, unknown>>, options: { seed?: number; device?: Device } = {}): Model {
  const family = getFamily(String(json['model_type']));
  const config = family.parseConfig(json);
  const parameters = new Map<string, Tensor<Float>>();
  let index = 0;
  for (const [name, { shape, initialize }] of Object.entries(family.parameters(config))) {
    const generator = xoroshiro128plus(((options.seed ?? 0) * 0x9e3779b1 + ++index * 0x85ebca6b) | 0);
    const data = new Float32Array(sizeOf(shape));
    initialize(data, () => (generator.next() >>> 0) / 4294967296);
    parameters.set(name, Tensor.from(data, shape, options.device));
  }
  const device = parameters.values().next().value!.device;
  return new Model(family, config, json, parameters, device);
}
