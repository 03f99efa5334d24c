import { defineOp } from '../op.js';
import { formatShape, ShapeError } from '../shape-error.js';
import { groupSize, inGroups, Tensor } from '../tensor.js';

const op = defineOp<{ x: Tensor }, object, { y: Tensor<'i8'> }>({
  name: 'quantize',
  signature: 'x: * -> y: *',
  forward({ x }) {
    if (!inGroups(x.shape))
      throw new ShapeError(`quantize: x is ${formatShape(x.shape)}; its last axis must be a multiple of ${groupSize}. Leave it as it is`);
    const y = Tensor.empty(x.shape, x.device, 'i8');
    x.device.run('quantizeInt8', { count: x.size, x: x.handle, q: y.handle, scales: y.scales });
    return { outputs: { y } };
  },
});

/**
 * A weight in int8, for inference: groups of 32 numbers along the last axis, each number a whole one from −127 to 127 times its
 * group's scale, max|x|/127 in f32, rounded to the nearest (halves away from zero) as GGUF's Q8_0. No number moves by more than half
 * its group's scale. `linear` and `embedding` take it, `read` and `as` give its numbers; it has no gradient.
 * @param x f32, bf16 or f16, its last axis a multiple of 32 (ShapeError otherwise); one in int8 is given back itself, or where
 * `activations` differs as a view of it
 * @param options.activations whether `linear` rounds the rows that it multiplies with this weight to the same format ("W8A8"):
 * products are then of whole numbers. Default: as x does, which in f32, bf16 and f16 is not
 */
export function quantize(x: Tensor, { activations = x.roundsActivations }: { activations?: boolean } = {}): Tensor<'i8'> {
  const held = x.dtype === 'i8' ? (x as Tensor<'i8'>) : op({ x }, {}).y;
  if (held.roundsActivations === activations) return held;
  const flagged = held.view(held.shape, activations);
  if (held !== x) held.dispose();
  return flagged;
}
