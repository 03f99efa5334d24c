import { cast, inGroups, quantize, type WeightType } from '@hidden-attention/tensor';
import type { ParameterSpec } from './family.js';
import { Model } from './model.js';

/**
 * How a model's weights can be held: real numbers of 32 or 16 bits, or whole ones of 8 bits in groups of 32 with a scale each. In
 * `w8a8` (weights of 8 bits, activations of 8 bits) what linear layers read is rounded so, too, while they are run.
 */
export const precisions = ['f32', 'bf16', 'f16', 'int8', 'w8a8'] as const;
export type Precision = (typeof precisions)[number];

/** Whether a model held so has weights of 8 bits: `heldAs` says which. */
export const inEightBits = (precision: string): precision is 'int8' | 'w8a8' => precision === 'int8' || precision === 'w8a8';

/**
 * The type of one parameter in a model held so. In int8 and w8a8 these are the embeddings and the weights of linear layers whose rows are
 * a multiple of 32 long; all others are f32. In 16 bits A_log, D and Δ's bias stay in f32 (`ParameterSpec.exact`).
 */
export function heldAs({ shape, exact, linear }: ParameterSpec, precision: Precision): WeightType {
  if (inEightBits(precision)) return linear && inGroups(shape) ? 'i8' : 'f32';
  return exact ? 'f32' : precision;
}

/**
 * The same model with its weights held otherwise (`heldAs`). In 16 bits activations follow, while sums, states and the residual
 * stream stay in f32; on a tape, gradients pass to the weights of `model`: with these in f32 that is mixed-precision training
 * (Micikevicius et al. 2018). In int8 activations are f32: it is for inference and explanations, and weights in int8 have no
 * gradient. In w8a8 these weights round what they are multiplied with (`quantize`), unless a tape is open: gradients and explanations are
 * those in int8. Parameters already of their type are shared.
 */
export function inPrecision(model: Model, precision: Precision): Model {
  const specs = model.family.parameters(model.config);
  const parameters = new Map(
    [...model.parameters].map(([name, tensor]) => {
      const dtype = specs[name] ? heldAs(specs[name], precision) : inEightBits(precision) ? 'f32' : precision;
      return [name, dtype === 'i8' ? quantize(tensor, { activations: precision === 'w8a8' }) : cast(tensor, dtype)];
    }),
  );
  return new Model(model.family, model.config, model.json, parameters, model.device);
}

/** Whether a model's linear layers round what they read to 8 bits (w8a8). */
export const roundsActivations = ({ parameters }: Model): boolean => [...parameters.values()].some((tensor) => tensor.roundsActivations);

/** The same model with what its linear layers read in f32: the model that gradients are taken of. Itself where nothing is rounded. */
export function withExactActivations(model: Model): Model {
  if (!roundsActivations(model)) return model;
  const parameters = [...model.parameters].map(([name, tensor]) => [name, tensor.view(tensor.shape, false)] as const);
  return new Model(model.family, model.config, model.json, new Map(parameters), model.device);
}
