import { causalConv1d, silu, type CausalConv1dInputs, type Float, type Tensor } from '@hidden-attention/tensor';

/**
 * SiLU(convolution) (b l d) and what the convolution carries on: in one kernel where `fused`, that is unless somebody looks at or
 * changes what is between the two, or a rule holds a part; `between` then passes on the convolution's own output.
 */
export function convolutionAndSilu(
  inputs: CausalConv1dInputs,
  { fused, inPlace = false }: { fused: boolean; inPlace?: boolean },
  between: (c: Tensor<Float>) => Tensor,
): { y: Tensor<Float>; final: Tensor<'f32'> } {
  if (fused) return causalConv1d(inputs, { activation: 'silu', inPlace });
  const { y: c, final } = causalConv1d(inputs, { inPlace });
  return { y: silu(between(c)), final };
}
