import { defineOp, type Call } from '../op.js';
import { ShapeError, formatShape } from '../shape-error.js';
import { Tensor, type Float } from '../tensor.js';

/** Operands of softmax attention; axes: b batch, i query, j key, h head, p width of a head. */
export type SoftmaxAttentionInputs = {
  /** (b i h p) */
  q: Tensor;
  /** (b j h p) */
  k: Tensor;
  /** (b j h p) */
  v: Tensor;
  /** number of keys of each row that count (b), i32; all of them when absent */
  lengths?: Tensor | undefined;
  /** number of keys that lie before each row's first query (b), as whole numbers; by default keys − queries */
  past?: Tensor | undefined;
  /** of rows that hold several texts: the first key that each query sees (b i), i32, not decreasing along a row; 0 when absent */
  starts?: Tensor | undefined;
};

export interface SoftmaxAttentionOptions {
  /** factor of the scores; default 1/√p */
  scale?: number;
  /** query i sees the keys up to past + i: by default the queries are the last positions. Default true */
  causal?: boolean;
}
type Options = { scale: number; causal: boolean };
type Outputs = { y: Tensor<Float>; logSumExp: Tensor<'f32'> };

function shared(
  { q, k, lengths, past, starts }: SoftmaxAttentionInputs,
  axes: Record<string, number>,
  options: Options,
): Record<string, number | boolean | undefined> {
  const { b, h, i, j, p } = axes;
  return {
    batch: b,
    heads: h,
    queries: i,
    keys: j,
    width: p,
    ...options,
    q: q.handle,
    k: k.handle,
    lengths: lengths?.handle,
    past: past?.handle,
    starts: starts?.handle,
  };
}

/** Gradients; with the probabilities held, v's alone. */
function backward(
  { inputs, options, outputs, axes }: Call<SoftmaxAttentionInputs, Options, Outputs>,
  { y: dy }: { y?: Tensor },
  needs: (name: keyof SoftmaxAttentionInputs) => boolean,
  hold: boolean,
): { [name in keyof SoftmaxAttentionInputs]?: Tensor | undefined } {
  if (!dy) return {};
  const like = (name: 'q' | 'k' | 'v'): Tensor | undefined =>
    needs(name) && (name === 'v' || !hold) ? Tensor.like(inputs[name]) : undefined;
  const gradients = { q: like('q'), k: like('k'), v: like('v') };
  inputs.q.device.run('softmaxAttentionBackward', {
    ...shared(inputs, axes, options),
    v: inputs.v.handle,
    y: outputs.y.handle,
    logSumExp: outputs.logSumExp.handle,
    dy: dy.handle,
    dq: gradients.q?.handle,
    dk: gradients.k?.handle,
    dv: gradients.v?.handle,
  });
  return gradients;
}

const op = defineOp<SoftmaxAttentionInputs, Options, Outputs>({
  name: 'softmaxAttention',
  signature: 'q: b i h p, k: b j h p, v: b j h p, lengths?: b, past?: b, starts?: b i -> y: b i h p, logSumExp: b h i',
  forward(inputs, options, { axes }) {
    const { b, h, i, j } = axes as Record<'b' | 'h' | 'i' | 'j', number>;
    if (options.causal && i > j)
      throw new ShapeError(
        `softmaxAttention: q is ${formatShape(inputs.q.shape)} and k ${formatShape(inputs.k.shape)}; causal queries are the last of the keys' positions, so there cannot be more of them`,
      );
    const y = Tensor.like(inputs.q);
    const logSumExp = Tensor.empty([b, h, i], y.device);
    y.device.run('softmaxAttention', { ...shared(inputs, axes, options), v: inputs.v.handle, y: y.handle, logSumExp: logSumExp.handle });
    return { outputs: { y, logSumExp } };
  },
  gradient: (call, dOutputs, needs) => backward(call, dOutputs, needs, false),
  rules: {
    // the probabilities count as constants (math.md section 4): what is left is linear in v
    holdAttention: (call, dOutputs, needs) => backward(call, dOutputs, needs, true),
  },
});

const chosen = (q: Tensor, { scale = 1 / Math.sqrt(q.shape.at(-1)!), causal = true }: SoftmaxAttentionOptions): Options => ({
  scale,
  causal,
});

/**
 * Softmax attention of many heads (Vaswani et al. 2017): y_i = Σ_j softmax_j(scale·q_i·k_j)·v_j, without a matrix in memory.
 * With fewer queries than keys it is a step of generation against a key-value cache. Rule `holdAttention`: the probabilities
 * count as constants.
 * @returns y (b i h p), and logSumExp (b h i), of which `softmaxAttentionMatrix` makes rows; no gradient passes through it
 */
export function softmaxAttention(inputs: SoftmaxAttentionInputs, options: SoftmaxAttentionOptions = {}): Outputs {
  return op(inputs, chosen(inputs.q, options));
}

type MatrixInputs = Omit<SoftmaxAttentionInputs, 'v'> & { logSumExp: Tensor };

const matrixOp = defineOp<MatrixInputs, Options & { rowStart: number; rows: number }, { matrix: Tensor<'f32'> }>({
  name: 'softmaxAttentionMatrix',
  signature: 'q: b i h p, k: b j h p, logSumExp: b h i, lengths?: b, past?: b, starts?: b i -> matrix: b h r j',
  forward(inputs, { rowStart, rows, ...options }, { axes }) {
    const { b, h, i, j } = axes as Record<'b' | 'h' | 'i' | 'j', number>;
    if (!Number.isInteger(rowStart) || !Number.isInteger(rows) || rowStart < 0 || rows < 0 || rowStart + rows > i)
      throw new RangeError(`softmaxAttentionMatrix: rows ${rowStart}…${rowStart + rows - 1} were asked for; there are rows 0…${i - 1}`);
    const matrix = Tensor.empty([b, h, rows, j], inputs.q.device);
    matrix.device.run('softmaxAttentionMatrix', {
      ...shared({ ...inputs, v: inputs.k }, axes, options),
      rowStart,
      rows,
      logSumExp: inputs.logSumExp.handle,
      out: matrix.handle,
    });
    return { outputs: { matrix } };
  },
});

/** The probabilities themselves, of all rows or of some: (b h rows j). `logSumExp` is that of `softmaxAttention`, with the same options. */
export function softmaxAttentionMatrix(
  inputs: MatrixInputs,
  options: SoftmaxAttentionOptions & { rowStart?: number; rows?: number } = {},
): Tensor<'f32'> {
  const { rowStart = 0, rows = inputs.q.shape[1]! - rowStart } = options;
  return matrixOp(inputs, { ...chosen(inputs.q, options), rowStart, rows }).matrix;
}

type TransposedInputs = MatrixInputs & { g: Tensor };

const transposedOp = defineOp<TransposedInputs, Options, { out: Tensor<Float> }>({
  name: 'softmaxAttentionTransposed',
  signature: 'q: b i h p, k: b j h p, logSumExp: b h i, g: b i h p, lengths?: b, past?: b, starts?: b i -> out: b j h p',
  forward(inputs, options, { axes }) {
    const { k, g, logSumExp } = inputs;
    const out = Tensor.like(k);
    out.device.run('softmaxAttentionBackward', {
      ...shared({ ...inputs, v: k }, axes, options),
      v: k.handle,
      y: g.handle, // read only where q and k have gradients
      logSumExp: logSumExp.handle,
      dy: g.handle,
      dv: out.handle,
    });
    return { outputs: { out } };
  },
});

/** The probabilities, transposed, times g (b i h p) → (b j h p), with the probabilities held. `logSumExp` as in `softmaxAttentionMatrix`. */
export function softmaxAttentionTransposed(inputs: TransposedInputs, options: SoftmaxAttentionOptions = {}): Tensor<Float> {
  return transposedOp(inputs, chosen(inputs.q, options)).out;
}
