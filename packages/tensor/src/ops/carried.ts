import type { Device } from '@hidden-attention/native';
import { Tensor } from '../tensor.js';

/**
 * Where an op puts what it carries on: in memory of its own, or in that of what was carried in, whose numbers are then gone. Like
 * `assign` the latter breaks the rule that tensors do not change.
 * @param over what was carried in, to be written over
 * @param recording whether a gradient may be asked for, which needs the numbers from before
 * @throws Error where both are asked for
 */
export function carriedOn(
  op: string,
  shape: readonly number[],
  device: Device,
  over: Tensor | undefined,
  recording: boolean,
): Tensor<'f32'> {
  if (!over) return Tensor.empty(shape, device);
  if (recording) throw new Error(`${op}: no gradient passes through a state that is written over; leave out inPlace`);
  return (over as Tensor<'f32'>).view(shape);
}
