import { cast, type Float } from '@hidden-attention/tensor';
import { Model } from './model.js';

/**
 * The same model with its weights in another type; its activations follow, while sums, states and the residual stream stay in
 * f32. A_log, D and Δ's bias stay as they are (`ParameterSpec.exact`). On a tape, gradients pass to the weights of `model`:
 * with these in f32 that is mixed-precision training (Micikevicius et al. 2018). Parameters already of that type are shared.
 */
export function inPrecision(model: Model, dtype: Float): Model {
  const specs = model.family.parameters(model.config);
  const parameters = new Map([...model.parameters].map(([name, tensor]) => [name, specs[name]?.exact ? tensor : cast(tensor, dtype)]));
  return new Model(model.family, model.config, model.json, parameters, model.device);
}
