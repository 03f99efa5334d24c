import { defineOp } from '../op.js';
import { carriedOn } from './carried.js';
import { type Float, Tensor } from '../tensor.js';

/** Positions between two states that the forward keeps for the backward (kScanTile of the kernel). */
const scanTile = 16;

/** Operands of the selective scan; axes: b batch, l position, d channel, n state, g group. */
export type SelectiveScanInputs = {
  /** input x′ (b l d) */
  u: Tensor;
  /** step sizes (b l d): positive, unless `softplus` makes them so */
  delta: Tensor;
  /** (d n), negative */
  A: Tensor;
  /** (b l g n) */
  B: Tensor;
  /** (b l g n) */
  C: Tensor;
  /** skip (d) */
  D?: Tensor | undefined;
  /** added to delta before the softplus (d) */
  deltaBias?: Tensor | undefined;
  /** gate (b l d): the result is multiplied by SiLU(z) */
  z?: Tensor | undefined;
  /** (b d n), zero when absent */
  initialState?: Tensor | undefined;
  /** number of positions of each row (b), i32; all of them when absent */
  lengths?: Tensor | undefined;
  /** of rows that hold several texts: where the text of each position begins (b l), i32; nothing is carried across. One text when absent */
  starts?: Tensor | undefined;
};
type Options = { softplus: boolean; inPlace: boolean };
type Outputs = { y: Tensor<Float>; finalState: Tensor<'f32'> };

const signature =
  'u: b l d, delta: b l d, A: d n, B: b l g n, C: b l g n, D?: d, deltaBias?: d, z?: b l d, initialState?: b d n, lengths?: b, starts?: b l -> y: b l d, finalState: b d n';

/** The arguments that forward and backward share. */
function shared(
  inputs: SelectiveScanInputs,
  axes: Record<string, number>,
  softplus: boolean,
): Record<string, number | boolean | undefined> {
  const { u, delta, A, B, C, D, deltaBias, z, lengths, starts } = inputs;
  return {
    batch: axes.b,
    length: axes.l,
    channels: axes.d,
    state: axes.n,
    groups: axes.g,
    softplus,
    u: u.handle,
    delta: delta.handle,
    A: A.handle,
    B: B.handle,
    C: C.handle,
    D: D?.handle,
    deltaBias: deltaBias?.handle,
    z: z?.handle,
    lengths: lengths?.handle,
    starts: starts?.handle,
  };
}

const op = defineOp<SelectiveScanInputs, Options, Outputs>({
  name: 'selectiveScan',
  signature,
  forward(inputs, { softplus, inPlace }, { axes, recording }) {
    const { u, initialState } = inputs;
    const { b, l, d, n } = axes as Record<'b' | 'l' | 'd' | 'n', number>;
    const y = Tensor.like(u);
    const finalState = carriedOn('selectiveScan', [b, d, n], u.device, inPlace ? initialState : undefined, recording);
    const checkpoints = recording ? Tensor.empty([b, Math.ceil(l / scanTile), d, n], u.device) : undefined;
    u.device.run('selectiveScan', {
      ...shared(inputs, axes, softplus),
      initialState: initialState?.handle,
      y: y.handle,
      finalState: finalState.handle,
      checkpoints: checkpoints?.handle,
    });
    return { outputs: { y, finalState }, saved: { checkpoints } };
  },
  gradient({ inputs, options, saved, axes }, { y: dy, finalState: dFinalState }) {
    const { u, delta, A, B, C, D, deltaBias, z, initialState } = inputs;
    const like = (tensor: Tensor | undefined): Tensor<Float> | undefined => tensor && Tensor.like(tensor);
    const cotangent = dy ?? Tensor.full(u.shape, 0, u.device);
    const gradients = {
      u: like(u),
      delta: like(delta),
      A: like(A),
      B: like(B),
      C: like(C),
      D: like(D),
      deltaBias: like(deltaBias),
      z: like(z),
      initialState: like(initialState),
    };
    u.device.run('selectiveScanBackward', {
      ...shared(inputs, axes, options.softplus),
      checkpoints: saved.checkpoints!.handle,
      dy: cotangent.handle,
      dFinalState: dFinalState?.handle,
      du: gradients.u!.handle,
      ddelta: gradients.delta!.handle,
      dA: gradients.A!.handle,
      dB: gradients.B!.handle,
      dC: gradients.C!.handle,
      dD: gradients.D?.handle,
      ddeltaBias: gradients.deltaBias?.handle,
      dz: gradients.z?.handle,
      dInitialState: gradients.initialState?.handle,
    });
    if (!dy) cotangent.dispose();
    return gradients;
  },
  rules: {
    // Δ, A, B and C count as constants (math.md section 2): the scan is then linear in u and in the initial state
    holdDynamics({ inputs, options, axes }, { y: dy, finalState: dFinalState }) {
      const { u, delta, A, B, C, D, z, deltaBias, lengths, starts, initialState } = inputs;
      if (options.softplus || z || deltaBias) {
        throw new Error(
          'selectiveScan: rule holdDynamics needs delta after its softplus and no fused gate; run the model with spelledOut: true',
        );
      }
      const g = dy ?? Tensor.full(u.shape, 0, u.device);
      const du = Tensor.like(u);
      const dInitialState = initialState && Tensor.empty(initialState.shape, u.device);
      u.device.run('selectiveScanTransposed', {
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
        D: D?.handle,
        g: g.handle,
        lengths: lengths?.handle,
        starts: starts?.handle,
        dFinalState: dFinalState?.handle,
        out: du.handle,
        dInitialState: dInitialState?.handle,
      });
      if (!dy) g.dispose();
      return { u: du, initialState: dInitialState };
    },
  },
});

/**
 * The selective scan (math.md section 1; paper eq. 10–12), with everything around it that can be fused:
 * s_i = exp(Δ_i·A)·s_{i−1} + Δ_i·B_i·u_i and y_i = (C_i·s_i + D·u_i)·SiLU(z_i).
 * With length 1 and a carried state it is one step of the recurrence.
 * Rule `holdDynamics`: Δ, A, B, C count as constants.
 * @param options.softplus whether delta (plus deltaBias) still has to pass through softplus
 * @param options.inPlace whether the final state is written over the initial one, which nobody else may then go on from
 * @returns y (b l d), zero past a row's length, and finalState (b d n), the state after each row's last position
 */
export function selectiveScan(inputs: SelectiveScanInputs, options: Partial<Options> = {}): Outputs {
  return op(inputs, { softplus: options.softplus ?? false, inPlace: options.inPlace ?? false });
}

/** Operands of `selectiveScanTransposed`: the dynamics, and what is sent back through them. */
export type SelectiveScanTransposedInputs = Omit<SelectiveScanInputs, 'u' | 'z' | 'deltaBias' | 'initialState'> & {
  /** (b l d); leave it out for a row of α */
  g?: Tensor | undefined;
};

const transposedOp = defineOp<SelectiveScanTransposedInputs, { position: number }, { out: Tensor<Float> }>({
  name: 'selectiveScanTransposed',
  signature: 'delta: b l d, A: d n, B: b l g n, C: b l g n, D?: d, g?: b l d, lengths?: b, starts?: b l -> out: b l d',
  forward({ delta, A, B, C, D, g, lengths, starts }, { position }, { axes }) {
    const out = g ? Tensor.like(g) : Tensor.empty(delta.shape, delta.device);
    delta.device.run('selectiveScanTransposed', {
      batch: axes.b,
      length: axes.l,
      channels: axes.d,
      state: axes.n,
      groups: axes.g,
      position,
      delta: delta.handle,
      A: A.handle,
      B: B.handle,
      C: C.handle,
      D: D?.handle,
      g: g?.handle,
      lengths: lengths?.handle,
      starts: starts?.handle,
      out: out.handle,
    });
    return { outputs: { out } };
  },
});

/**
 * αᵀ·g (+ D ⊙ g): the scan's backward with the dynamics held (math.md section 2). Without g, row `position` of α in every
 * channel (b l d): out[b, j, d] = α[d][position, j]; position −1 is each row's own last.
 * `delta` is already positive.
 */
export function selectiveScanTransposed(inputs: SelectiveScanTransposedInputs, options: { position?: number } = {}): Tensor<Float> {
  return transposedOp(inputs, { position: options.position ?? -1 }).out;
}
