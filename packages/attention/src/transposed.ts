import { defineOp, Tensor, type Float } from '@hidden-attention/tensor';

type ScanInputs = { delta: Tensor; A: Tensor; B: Tensor; C: Tensor; g: Tensor; dFinalState: Tensor };

const scan = defineOp<ScanInputs, object, { out: Tensor<Float>; dInitialState: Tensor<Float> }>({
  name: 'scanTransposedCarried',
  signature: 'delta: b l d, A: d n, B: b l g n, C: b l g n, g: b l d, dFinalState: b d n -> out: b l d, dInitialState: b d n',
  forward({ delta, A, B, C, g, dFinalState }, _, { axes }) {
    const out = Tensor.empty(delta.shape, delta.device);
    const dInitialState = Tensor.empty(dFinalState.shape, delta.device);
    delta.device.run('selectiveScanTransposed', {
      batch: axes.b,
      length: axes.l,
      channels: axes.d,
      state: axes.n,
      groups: axes.g,
      position: -1,
      delta: delta.handle,
      A: A.handle,
      B: B.handle,
      C: C.handle,
      g: g.handle,
      dFinalState: dFinalState.handle,
      out: out.handle,
      dInitialState: dInitialState.handle,
    });
    return { outputs: { out, dInitialState } };
  },
});

/**
 * αᵀ·g over a piece of a longer text (math.md section 2): what the positions after the piece ask of its state comes in as
 * `dFinalState` (b d n), and what the piece asks of the state before it goes out as `dInitialState`.
 */
export function scanTransposedCarried(inputs: ScanInputs): { out: Tensor<Float>; dInitialState: Tensor<Float> } {
  return scan(inputs, {});
}

const convolution = defineOp<{ g: Tensor; weight: Tensor }, object, { y: Tensor<Float> }>({
  name: 'causalConv1dTransposed',
  signature: 'g: b l d, weight: d k -> y: b l d',
  forward({ g, weight }, _, { axes }) {
    const y = Tensor.empty(g.shape, g.device);
    g.device.run('causalConv1dBackward', {
      batch: axes.b,
      length: axes.l,
      channels: axes.d,
      width: axes.k,
      weight: weight.handle,
      dy: g.handle,
      dx: y.handle,
    });
    return { outputs: { y } };
  },
});

/** Mᵀ·g, M the banded matrix of a depthwise causal convolution (math.md section 4): g (b l d), weight (d k) → (b l d). */
export function causalConv1dTransposed(g: Tensor, weight: Tensor): Tensor<Float> {
  return convolution({ g, weight }, {}).y;
}
