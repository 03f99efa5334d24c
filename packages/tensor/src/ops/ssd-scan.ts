import { carriedOn } from './carried.js';
import { defineOp, type Call, type Gradient } from '../op.js';
import { Tensor, type Float } from '../tensor.js';

/** Positions of a chunk (kSsdChunk of the kernel): the forward keeps one state a chunk for the backward. */
const chunkSize = 64;

/** Operands of the scan of Mamba-2; axes: b batch, l position, h head, p width of a head, n state, g group. */
export type SsdScanInputs = {
  /** input x′ (b l h p) */
  x: Tensor;
  /** positive step sizes, one a head (b l h) */
  delta: Tensor;
  /** (h), negative */
  A: Tensor;
  /** (b l g n) */
  B: Tensor;
  /** (b l g n) */
  C: Tensor;
  /** skip (h) */
  D?: Tensor | undefined;
  /** (b h p n), zero when absent */
  initialState?: Tensor | undefined;
  /** number of positions of each row (b), i32; all of them when absent */
  lengths?: Tensor | undefined;
  /** for each position the one where its text begins (b l), i32, where a row holds several texts: nothing passes from one to the next */
  starts?: Tensor | undefined;
};
type Options = { inPlace: boolean };
type Outputs = { y: Tensor<Float>; finalState: Tensor<'f32'> };

/** What all calls share. */
function shared(
  { delta, A, B, C, D, lengths, starts }: Omit<SsdScanInputs, 'x' | 'initialState'>,
  axes: Record<string, number>,
): Record<string, number | undefined> {
  return {
    batch: axes.b,
    length: axes.l,
    heads: axes.h,
    width: axes.p,
    state: axes.n,
    groups: axes.g,
    delta: delta.handle,
    A: A.handle,
    B: B.handle,
    C: C.handle,
    D: D?.handle,
    lengths: lengths?.handle,
    starts: starts?.handle,
  };
}

const zeros = (like: Tensor): Tensor => Tensor.full(like.shape, 0, like.device);

/** All gradients. */
function backward(
  { inputs, saved, axes }: Call<SsdScanInputs, Options, Outputs>,
  { y: dy, finalState: dFinalState }: Partial<Record<keyof Outputs, Tensor>>,
): { [name in keyof SsdScanInputs]?: Tensor | undefined } {
  const { x, delta, A, B, C, D, initialState } = inputs;
  const like = (tensor: Tensor | undefined): Tensor<Float> | undefined => tensor && Tensor.like(tensor);
  const cotangent = dy ?? zeros(x);
  const gradients = {
    x: like(x)!,
    delta: like(delta)!,
    A: like(A)!,
    B: like(B)!,
    C: like(C)!,
    D: like(D),
    initialState: like(initialState),
  };
  x.device.run('ssdScanBackward', {
    ...shared(inputs, axes),
    x: x.handle,
    checkpoints: saved.checkpoints!.handle,
    dy: cotangent.handle,
    dFinalState: dFinalState?.handle,
    dx: gradients.x.handle,
    ddelta: gradients.delta.handle,
    dA: gradients.A.handle,
    dB: gradients.B.handle,
    dC: gradients.C.handle,
    dD: gradients.D?.handle,
    dInitialState: gradients.initialState?.handle,
  });
  if (!dy) cotangent.dispose();
  return gradients;
}

/** Δ, A, B and C count as constants (math.md section 2): the scan is then linear in x and in the initial state. */
const holdDynamics: Gradient<SsdScanInputs, Options, Outputs> = ({ inputs, axes }, { y: dy, finalState: dFinalState }) => {
  const { x, initialState } = inputs;
  const g = dy ?? zeros(x);
  const dx = Tensor.like(x);
  const dInitialState = initialState && Tensor.empty(initialState.shape, x.device);
  x.device.run('ssdScanTransposed', {
    ...shared(inputs, axes),
    g: g.handle,
    dFinalState: dFinalState?.handle,
    out: dx.handle,
    dInitialState: dInitialState?.handle,
  });
  if (!dy) g.dispose();
  return { x: dx, initialState: dInitialState };
};

const op = defineOp<SsdScanInputs, Options, Outputs>({
  name: 'ssdScan',
  signature:
    'x: b l h p, delta: b l h, A: h, B: b l g n, C: b l g n, D?: h, initialState?: b h p n, lengths?: b, starts?: b l -> y: b l h p, finalState: b h p n',
  forward(inputs, { inPlace }, { axes, recording }) {
    const { x, initialState } = inputs;
    const { b, l, h, p, n } = axes as Record<'b' | 'l' | 'h' | 'p' | 'n', number>;
    const y = Tensor.like(x);
    const finalState = carriedOn('ssdScan', [b, h, p, n], x.device, inPlace ? initialState : undefined, recording);
    const checkpoints = recording ? Tensor.empty([b, Math.ceil(l / chunkSize), h, p, n], x.device) : undefined;
    x.device.run('ssdScan', {
      ...shared(inputs, axes),
      x: x.handle,
      initialState: initialState?.handle,
      y: y.handle,
      finalState: finalState.handle,
      checkpoints: checkpoints?.handle,
    });
    return { outputs: { y, finalState }, saved: { checkpoints } };
  },
  // it is a selective scan: a rule for that one, which a rule set may know alone, counts here too
  gradient: (call, dOutputs, needs, rules) =>
    rules.selectiveScan === 'holdDynamics' ? holdDynamics(call, dOutputs, needs, rules) : backward(call, dOutputs),
  rules: { holdDynamics },
});

/**
 * The scan of Mamba-2 (Dao and Gu 2024, state space duality; math.md section 4), one decay a head:
 * s_i = exp(Δ_i·A)·s_{i−1} + Δ_i·x_i·B_iᵀ and y_i = s_i·C_i + D·x_i. In chunks of 64 positions it is matrix products and takes
 * memory linear in the length; with length 1 and a carried state it is one step of the recurrence. Head h reads group ⌊h·g/heads⌋.
 * Rule `holdDynamics` (of this op or of `selectiveScan`): Δ, A, B, C count as constants.
 * @param options.inPlace whether the final state is written over the initial one, which nobody else may then go on from
 * @returns y (b l h p), zero past a row's length, and finalState (b h p n), the state after each row's last position
 */
export function ssdScan(inputs: SsdScanInputs, options: Partial<Options> = {}): Outputs {
  return op(inputs, { inPlace: options.inPlace ?? false });
}

/** Operands of `ssdScanTransposed`: the dynamics, and what is sent back through them. */
export type SsdScanTransposedInputs = Omit<SsdScanInputs, 'x' | 'initialState'> & {
  /** (b l h p) */
  g: Tensor;
  /** what is asked of the final state (b h p n); nothing when absent */
  dFinalState?: Tensor | undefined;
};

const transposedOp = defineOp<SsdScanTransposedInputs, object, { out: Tensor<Float>; dInitialState?: Tensor<'f32'> }>({
  name: 'ssdScanTransposed',
  signature:
    'delta: b l h, A: h, B: b l g n, C: b l g n, D?: h, g: b l h p, lengths?: b, starts?: b l, dFinalState?: b h p n -> out: b l h p, dInitialState: b h p n',
  forward(inputs, _, { axes }) {
    const { g, dFinalState } = inputs;
    const out = Tensor.like(g);
    const dInitialState = dFinalState && Tensor.empty(dFinalState.shape, g.device);
    g.device.run('ssdScanTransposed', {
      ...shared(inputs, axes),
      g: g.handle,
      dFinalState: dFinalState?.handle,
      out: out.handle,
      dInitialState: dInitialState?.handle,
    });
    return { outputs: { out, ...(dInitialState && { dInitialState }) } };
  },
});

/**
 * αᵀ·g (+ D ⊙ g) of the scan of Mamba-2: its backward with the dynamics held (math.md section 2), linear in g and `dFinalState`.
 * @returns out (b l h p), and dInitialState (b h p n) where `dFinalState` was given
 */
export function ssdScanTransposed(inputs: SsdScanTransposedInputs): { out: Tensor<Float>; dInitialState?: Tensor<'f32'> } {
  return transposedOp(inputs, {});
}
