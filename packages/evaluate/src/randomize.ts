import { Model } from '@hidden-attention/model';
import { sizeOf, Tensor, type WeightType } from '@hidden-attention/tensor';
import { randomFor } from './random.js';

/** Parameters that are randomised together: a layer, what stands above the layers, or the embeddings. */
export interface ParameterGroup {
  name: string;
  parameters: string[];
}

/** A model's parameters from the head down: head (with the last norm), layers from the last to the first, embeddings. */
export function groupsFromTheHead(model: Model): ParameterGroup[] {
  const names = Object.keys(model.family.parameters(model.config));
  const layerOf = (name: string): number | undefined => {
    const number = /\.(\d+)\./.exec(name)?.[1];
    return number === undefined ? undefined : Number(number);
  };
  const layered = names.findIndex((name) => layerOf(name) !== undefined);
  const last = names.findLastIndex((name) => layerOf(name) !== undefined);
  const layers = Array.from({ length: model.config.layers }, (_, layer) => ({
    name: `layer ${layer}`,
    parameters: names.filter((name) => layerOf(name) === layer),
  }));
  return [
    { name: 'head', parameters: names.slice(last + 1) },
    ...layers.reverse(),
    { name: 'embeddings', parameters: names.slice(0, layered) },
  ].filter(({ parameters }) => parameters.length > 0);
}

/** The model with fresh numbers, drawn as its family draws them, in some of its parameters. */
export function randomized(model: Model, groups: readonly ParameterGroup[], seed: number): Model {
  const specs = model.family.parameters(model.config);
  const parameters = new Map<string, Tensor<WeightType>>(model.parameters);
  for (const name of groups.flatMap((group) => group.parameters)) {
    const { shape, initialize } = specs[name]!;
    const data = new Float32Array(sizeOf(shape));
    initialize(data, randomFor('randomised', seed, name));
    parameters.set(name, Tensor.from(data, shape, model.device));
  }
  return new Model(model.family, model.config, model.json, parameters, model.device);
}
