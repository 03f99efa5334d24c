import type { Head, ParameterSpec } from './family.js';
import { mambaNames, type BackboneNames } from './names.js';

/** Fills a fresh parameter. */
export type Fill = ParameterSpec['initialize'];

/** The same number everywhere. */
export const constant =
  (value: number): Fill =>
  (data) =>
    void data.fill(value);

/** Uniform in (−bound, bound). */
export const uniform =
  (bound: number): Fill =>
  (data, random) => {
    for (let i = 0; i < data.length; i++) data[i] = (2 * random() - 1) * bound;
  };

/** Normal around 0. */
export const normal =
  (deviation: number): Fill =>
  (data, random) => {
    for (let i = 0; i < data.length; i++) data[i] = deviation * Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  };

/** Δ's bias: softplus of it is log-uniform between `low` and `high`, at least `floor`. */
export const stepBias =
  ({ timeStepMin: low, timeStepMax: high, timeStepFloor: floor }: Record<'timeStepMin' | 'timeStepMax' | 'timeStepFloor', number>): Fill =>
  (data, random) => {
    for (let i = 0; i < data.length; i++) {
      const step = Math.max(Math.exp(Math.log(low) + random() * Math.log(high / low)), floor);
      data[i] = step + Math.log(-Math.expm1(-step)); // the inverse of softplus
    }
  };

/** A parameter with weight decay; the same of a linear layer, as (out in), or a table; one without decay; one that also stays in f32. */
export const weight = (shape: number[], initialize: Fill): ParameterSpec => ({ shape, initialize, decay: true });
export const linearWeight = (shape: number[], initialize: Fill): ParameterSpec => ({ shape, initialize, decay: true, linear: true });
export const free = (shape: number[], initialize: Fill): ParameterSpec => ({ shape, initialize, decay: false });
export const exact = (shape: number[], initialize: Fill): ParameterSpec => ({ shape, initialize, decay: false, exact: true });

/** Parameters of a whole model: embeddings (and positions), those of each block, the last norm and the head. */
export function backboneParameters(
  { vocabSize, hiddenSize: m, layers, head }: { vocabSize: number; hiddenSize: number; layers: number; head: Head },
  range: number,
  block: Record<string, ParameterSpec | undefined> | ((layer: number) => Record<string, ParameterSpec | undefined>),
  {
    names = mambaNames,
    positions = {},
    finalNorm = { 'backbone.norm_f.weight': free([m], constant(1)) },
  }: { names?: BackboneNames; positions?: Record<string, ParameterSpec>; finalNorm?: Record<string, ParameterSpec> } = {},
): Record<string, ParameterSpec> {
  const all: Record<string, ParameterSpec> = { [names.embeddings]: linearWeight([vocabSize, m], normal(range)), ...positions };
  for (let layer = 0; layer < layers; layer++)
    for (const [name, spec] of Object.entries(typeof block === 'function' ? block(layer) : block))
      if (spec) all[names.layer(layer) + name] = spec;
  Object.assign(all, finalNorm);
  if (head.kind === 'classifier') all['score.weight'] = linearWeight([head.classes, m], normal(range));
  else if (!head.tied) all[names.head] = linearWeight([vocabSize, m], normal(range));
  return all;
}
