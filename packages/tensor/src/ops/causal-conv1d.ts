import { gammaRule } from '../gamma.js';
import { carriedOn } from './carried.js';
import { defineOp, type Op } from '../op.js';
import { type Float, Tensor } from '../tensor.js';

/** Operands of the causal convolution; axes: b batch, l position, d channel, k width. */
export type CausalConv1dInputs = {
  /** (b l d) */
  x: Tensor;
  /** (d k); the last tap multiplies the current position */
  weight: Tensor;
  /** (d) */
  bias?: Tensor | undefined;
  /** the k−1 inputs before the first one, oldest first (b d k−1); zero when absent */
  initial?: Tensor | undefined;
  /** number of positions of each row (b), i32; all of them when absent */
  lengths?: Tensor | undefined;
  /** of rows that hold several texts: where the text of each position begins (b l), i32; what is before counts as zero. One text when absent */
  starts?: Tensor | undefined;
};
/** How the convolution goes on. */
export type CausalConv1dOptions = {
  /** what its sums pass through in the same kernel; default: nothing */
  activation?: 'silu' | undefined;
  /** whether `final` is written over `initial`, which nobody else may then go on from; default: no */
  inPlace?: boolean;
};
type Outputs = { y: Tensor<Float>; final: Tensor<'f32'> };

const op: Op<CausalConv1dInputs, CausalConv1dOptions, Outputs> = defineOp<CausalConv1dInputs, CausalConv1dOptions, Outputs>({
  name: 'causalConv1d',
  signature: 'x: b l d, weight: d k, bias?: d, initial?: b d k-1, lengths?: b, starts?: b l -> y: b l d, final: b d k-1',
  forward({ x, weight, bias, initial, lengths, starts }, { activation, inPlace }, { axes, recording }) {
    const { b, l, d, k } = axes as Record<'b' | 'l' | 'd' | 'k', number>;
    const y = Tensor.like(x);
    const final = carriedOn('causalConv1d', [b, d, k - 1], x.device, inPlace ? initial : undefined, recording);
    x.device.run('causalConv1d', {
      batch: b,
      length: l,
      channels: d,
      width: k,
      silu: activation === 'silu',
      x: x.handle,
      weight: weight.handle,
      bias: bias?.handle,
      initial: initial?.handle,
      lengths: lengths?.handle,
      starts: starts?.handle,
      y: y.handle,
      final: final.handle,
    });
    return { outputs: { y, final } };
  },
  gradient({ inputs, options: { activation }, axes }, { y: dy, final: dFinal }, needs, rules) {
    const rule = activation && (rules[activation] ?? rules.causalConv1d);
    if (rule) throw new Error(`causalConv1d: rule ${rule} needs ${activation} as an op of its own; run the model with spelledOut: true`);
    const { x, weight, bias, initial, lengths, starts } = inputs;
    const cotangent = dy ?? Tensor.full(x.shape, 0, x.device);
    const like = (name: 'x' | 'weight' | 'bias' | 'initial', tensor: Tensor | undefined): Tensor<Float> | undefined =>
      tensor && needs(name) ? Tensor.like(tensor) : undefined;
    const gradients = { x: like('x', x), weight: like('weight', weight), bias: like('bias', bias), initial: like('initial', initial) };
    x.device.run('causalConv1dBackward', {
      batch: axes.b,
      length: axes.l,
      channels: axes.d,
      width: axes.k,
      silu: activation === 'silu',
      x: x.handle,
      weight: weight.handle,
      bias: bias?.handle,
      initial: initial?.handle,
      lengths: lengths?.handle,
      starts: starts?.handle,
      dy: cotangent.handle,
      dFinal: dFinal?.handle,
      dx: gradients.x?.handle,
      dweight: gradients.weight?.handle,
      dbias: gradients.bias?.handle,
      dInitial: gradients.initial?.handle,
    });
    if (!dy) cotangent.dispose();
    return gradients;
  },
  rules: { gamma: gammaRule(() => op.definition) },
});

/**
 * Depthwise causal convolution (math.md section 1): y_i[d] = f(Σ_k weight[d,k]·x_{i−(K−1)+k}[d] + bias[d]), f the activation.
 * With length 1 and carried columns it is one step of generation. With an activation, the gradient computes the sums again,
 * so that only x is kept for it; a gradient under a rule for `silu` or for the convolution then throws.
 * Rule `gamma:γ`: contributions of the output's own sign count 1 + γ times, all scaled to add up to it (`gammaRule`).
 * @returns y (b l d), zero past a row's length, and final (b d k−1), the last k−1 inputs of each row's last text, oldest first
 */
export function causalConv1d(inputs: CausalConv1dInputs, options: CausalConv1dOptions = {}): Outputs {
  return op(inputs, options);
}
