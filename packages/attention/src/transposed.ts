import { defineOp, Tensor, type Float } from '@hidden-attention/tensor';

type Optional = Tensor | undefined;
type ScanInputs = {
  delta: Tensor;
  A: Tensor;
  B: Tensor;
  C: Tensor;
  starts?: Optional;
  g?: Optional;
  lengths?: Optional;
  dFinalState?: Optional;
};

const scan = defineOp<ScanInputs, object, { out: Tensor<Float>; dInitialState: Tensor<Float> }>({
  name: 'scanTransposedCarried',
  signature:
    'delta: b l d, A: d n, B: b l g n, C: b l g n, starts?: b l, g?: b l d, lengths?: b, dFinalState?: b d n -> out: b l d, dInitialState: b d n',
  forward({ delta, A, B, C, starts, g, lengths, dFinalState }, _, { axes }) {
    const { b, l, d, n } = axes as Record<'b' | 'l' | 'd' | 'n', number>;
    const out = Tensor.empty(delta.shape, delta.device);
    const dInitialState = Tensor.empty([b, d, n], delta.device);
    delta.device.run('selectiveScanTransposed', {
      batch: b,
      length: l,
      channels: d,
      state: n,
      groups: axes.g,
      position: g ? -1 : l, // past the end: nothing is asked of the positions themselves
      delta: delta.handle,
      A: A.handle,
      B: B.handle,
      C: C.handle,
      g: g?.handle,
      lengths: lengths?.handle,
      starts: starts?.handle,
      dFinalState: dFinalState?.handle,
      out: out.handle,
      dInitialState: dInitialState.handle,
    });
    return { outputs: { out, dInitialState } };
  },
});

/**
 * αᵀ·g over a piece of a longer text (math.md section 2): what the positions after the piece ask of its state comes in as
 * `dFinalState` (b d n), and what the piece asks of the state before it goes out as `dInitialState`. Either may be left out: zero.
 */
export function scanTransposedCarried(inputs: ScanInputs): { out: Tensor<Float>; dInitialState: Tensor<Float> } {
  return scan(inputs, {});
}

type ConvolutionInputs = { g: Tensor; weight: Tensor; starts?: Tensor | undefined };

const convolution = defineOp<ConvolutionInputs, object, { y: Tensor<Float> }>({
  name: 'causalConv1dTransposed',
  signature: 'g: b l d, weight: d k, starts?: b l -> y: b l d',
  forward({ g, weight, starts }, _, { axes }) {
    const y = Tensor.empty(g.shape, g.device);
    g.device.run('causalConv1dBackward', {
      batch: axes.b,
      length: axes.l,
      channels: axes.d,
      width: axes.k,
      weight: weight.handle,
      starts: starts?.handle,
      dy: g.handle,
      dx: y.handle,
    });
    return { outputs: { y } };
  },
});

/** Mᵀ·g, M the banded matrix of a depthwise causal convolution (math.md section 4): g (b l d), weight (d k) → (b l d). `starts` as in `causalConv1d`. */
export function causalConv1dTransposed(g: Tensor, weight: Tensor, starts?: Tensor): Tensor<Float> {
  return convolution({ g, weight, starts }, {}).y;
}
