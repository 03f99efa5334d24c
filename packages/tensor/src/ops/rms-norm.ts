import { defineOp, type Call } from '../op.js';
import { ShapeError } from '../shape-error.js';
import { commonType, sizeOf, Tensor, type Float } from '../tensor.js';

/** Where SiLU(z) multiplies, in the order of ops/rms_norm/rms_norm.h. */
const gates = ['none', 'before', 'after'] as const;

/** Operands of `rmsNorm`, all (… d) but the weight (d). */
export type RmsNormInputs = {
  x: Tensor;
  weight?: Tensor | undefined;
  /** added to x before anything else */
  residual?: Tensor | undefined;
  /** the gate */
  z?: Tensor | undefined;
};
/** Settings of `rmsNorm`. */
export interface RmsNormOptions {
  /** added to the mean of squares */
  epsilon: number;
  /** number of equal slices of the last axis that are normalised each by itself (default 1) */
  groups?: number;
  /** whether SiLU(z) multiplies before the norm (Mamba-2), after it, or there is no z (default) */
  gate?: (typeof gates)[number];
}
type Outputs = { y: Tensor<Float>; residualOut?: Tensor<Float> | undefined };

function backward(
  { inputs: { x, weight, z }, options: { groups = 1, gate = 'none' }, outputs, saved, axes }: Call<RmsNormInputs, RmsNormOptions, Outputs>,
  { y: dy, residualOut: dResidualOut }: { y?: Tensor; residualOut?: Tensor },
  needs: (name: keyof RmsNormInputs) => boolean,
  holdScale: boolean,
): { [name in keyof RmsNormInputs]?: Tensor | undefined } {
  const cotangent = dy ?? Tensor.full(x.shape, 0, x.device);
  const dx = Tensor.like(x);
  const dweight = weight && needs('weight') ? Tensor.like(weight) : undefined;
  const dz = z && needs('z') ? Tensor.like(z) : undefined;
  x.device.run('rmsNormBackward', {
    rows: sizeOf(x.shape.slice(0, -1)),
    width: axes.d,
    groups,
    gate: gates.indexOf(gate),
    holdScale,
    x: (outputs.residualOut ?? x).handle,
    weight: weight?.handle,
    z: z?.handle,
    scale: saved.scale!.handle,
    dy: cotangent.handle,
    dResidualOut: dResidualOut?.handle,
    dx: dx.handle,
    dweight: dweight?.handle,
    dz: dz?.handle,
  });
  if (!dy) cotangent.dispose();
  return { x: dx, residual: needs('residual') ? dx.view() : undefined, weight: dweight, z: dz };
}

const op = defineOp<RmsNormInputs, RmsNormOptions, Outputs>({
  name: 'rmsNorm',
  signature: 'x: ... d, weight?: d, residual?: ... d, z?: ... d -> y: ... d, residualOut?: ... d',
  forward({ x, weight, residual, z }, { epsilon, groups = 1, gate = 'none' }, { axes, recording }) {
    const width = axes.d!;
    if (!Number.isInteger(groups) || groups < 1 || width % groups !== 0) {
      throw new ShapeError(`rmsNorm: groups is ${groups}; it must divide the last axis, which x sets to ${width}`);
    }
    if ((gate === 'none') === (z !== undefined)) {
      throw new Error(`rmsNorm: gate is '${gate}' and z is ${z ? 'given' : 'missing'}; pass z together with gate 'before' or 'after'`);
    }
    const leading = x.shape.slice(0, -1);
    const y = Tensor.like(weight ?? x, x.shape);
    const residualOut = residual && Tensor.empty(x.shape, x.device, commonType(x, residual));
    const scale = recording ? Tensor.empty([...leading, groups], x.device) : undefined;
    x.device.run('rmsNorm', {
      rows: sizeOf(leading),
      width,
      groups,
      epsilon,
      gate: gates.indexOf(gate),
      x: x.handle,
      weight: weight?.handle,
      residual: residual?.handle,
      z: z?.handle,
      y: y.handle,
      residualOut: residualOut?.handle,
      scale: scale?.handle,
    });
    return { outputs: { y, residualOut }, saved: { scale } };
  },
  gradient: (call, dOutputs, needs) => backward(call, dOutputs, needs, false),
  rules: {
    // 1/rms counts as a constant (math.md sections 4 and 5)
    holdScale: (call, dOutputs, needs) => backward(call, dOutputs, needs, true),
  },
});

/**
 * Root-mean-square norm over the last axis: y = x·rsqrt(mean(x²) + epsilon)·weight, x (… d).
 * With `residual`, x + residual is normalised and given back as `residualOut`.
 * y has the type of the weight (of x without one), so that a residual stream in f32 goes on in the type of the weights.
 * Rule `holdScale`: 1/rms counts as a constant.
 */
export function rmsNorm(inputs: RmsNormInputs, options: RmsNormOptions): Outputs {
  return op(inputs, options);
}
