import type { Head, ParameterSpec } from './family.js';

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

/** A parameter with weight decay; one without; one that also stays in f32. */
export const weight = (shape: number[], initialize: Fill): ParameterSpec => ({ shape, initialize, decay: true });
export const free = (shape: number[], initialize: Fill): ParameterSpec => ({ shape, initialize, decay: false });
export const exact = (shape: number[], initialize: Fill): ParameterSpec => ({ shape, initialize, decay: false, exact: true });

/** Parameters of a whole model: embeddings, those of each block under `backbone.layers.K.`, the last norm and the head. */
export function backboneParameters(
  { vocabSize, hiddenSize: m, layers, head }: { vocabSize: number; hiddenSize: number; layers: number; head: Head },
  range: number,
  block: Record<string, ParameterSpec | undefined>,
): Record<string, ParameterSpec> {
  const all: Record<string, ParameterSpec> = { 'backbone.embeddings.weight': weight([vocabSize, m], normal(range)) };
  for (let layer = 0; layer < layers; layer++)
    for (const [name, spec] of Object.entries(block)) if (spec) all[`backbone.layers.${layer}.${name}`] = spec;
  all['backbone.norm_f.weight'] = free([m], constant(1));
  if (head.kind === 'classifier') all['score.weight'] = weight([head.classes, m], normal(range));
  else if (!head.tied) all['lm_head.weight'] = weight([vocabSize, m], normal(range));
  return all;
}
