import { defineOp } from '../op.js';
import { formatShape } from '../shape-error.js';
import { Tensor } from '../tensor.js';

/** The dynamics that the hidden attention is made of; axes as in `selectiveScan`. */
export type AttentionMatrixInputs = {
  /** (b l d), after softplus */
  delta: Tensor;
  /** (d n) */
  A: Tensor;
  /** (b l g n) */
  B: Tensor;
  /** (b l g n) */
  C: Tensor;
};
/** Rows to compute: `rows` of them from `rowStart` on; from the first, and to the last, by default. */
export interface AttentionRows {
  rowStart?: number;
  rows?: number;
}
type Out = { matrix: Tensor<'f32'> };

const dynamics = 'delta: b l d, A: d n, B: b l g n, C: b l g n';

function checkedRows(
  op: string,
  length: number,
  { rowStart = 0, rows = length - rowStart }: AttentionRows,
): { rowStart: number; rows: number } {
  if (!Number.isInteger(rowStart) || !Number.isInteger(rows) || rowStart < 0 || rows < 0 || rowStart + rows > length) {
    throw new RangeError(
      `${op}: rows ${rowStart}…${rowStart + rows - 1} were asked for; the input has ${length} positions, so rows 0…${length - 1}`,
    );
  }
  return { rowStart, rows };
}

function shared(inputs: AttentionMatrixInputs, axes: Record<string, number>): Record<string, number | undefined> {
  return {
    batch: axes.b,
    length: axes.l,
    channels: axes.d,
    state: axes.n,
    groups: axes.g,
    delta: inputs.delta.handle,
    A: inputs.A.handle,
    B: inputs.B.handle,
    C: inputs.C.handle,
  };
}

const channelOp = defineOp<AttentionMatrixInputs, { channels: readonly number[] } & AttentionRows, Out>({
  name: 'attentionMatrix',
  signature: `${dynamics} -> matrix: b c r l`,
  forward(inputs, options, { axes }) {
    const { channels } = options;
    const wrong = channels.find((channel) => !Number.isInteger(channel) || channel < 0 || channel >= axes.d!);
    if (wrong !== undefined)
      throw new RangeError(`attentionMatrix: no channel ${wrong}; delta ${formatShape(inputs.delta.shape)} has channels 0…${axes.d! - 1}`);
    const { rowStart, rows } = checkedRows('attentionMatrix', axes.l!, options);
    const { device } = inputs.delta;
    const matrix = Tensor.empty([axes.b!, channels.length, rows, axes.l!], device);
    const selection = Tensor.from(Int32Array.from(channels), [channels.length], device);
    device.run('attentionMatrix', {
      ...shared(inputs, axes),
      selected: channels.length,
      rowStart,
      rows,
      selection: selection.handle,
      out: matrix.handle,
    });
    selection.dispose();
    return { outputs: { matrix } };
  },
});

/**
 * The hidden attention α of chosen channels (math.md section 2; paper eq. 13–15), without D: (b c rows l), zero above the
 * diagonal. It takes c·rows·l numbers: for a row or a product with α use `selectiveScanTransposed` and `selectiveScan`.
 */
export function attentionMatrix(inputs: AttentionMatrixInputs, options: { channels: readonly number[] } & AttentionRows): Tensor<'f32'> {
  return channelOp(inputs, options).matrix;
}

/** Means over all channels, in the order of ops/attention_matrix/attention_matrix.h. */
const reductions = ['mean', 'meanAbs', 'meanPositive'] as const;
type Reduce = (typeof reductions)[number];

/** The dynamics, and factors of each channel's rows and columns. */
export type ReducedMatrixInputs = AttentionMatrixInputs & {
  /** (b l d); 1 when absent */
  rowScale?: Tensor | undefined;
  /** (b l d); 1 when absent */
  columnScale?: Tensor | undefined;
};

const reducedOp = defineOp<ReducedMatrixInputs, { reduce: Reduce } & AttentionRows, Out>({
  name: 'attentionMatrixReduced',
  signature: `${dynamics}, rowScale?: b l d, columnScale?: b l d -> matrix: b r l`,
  forward(inputs, options, { axes }) {
    const { rowStart, rows } = checkedRows('attentionMatrixReduced', axes.l!, options);
    const { device } = inputs.delta;
    const matrix = Tensor.empty([axes.b!, rows, axes.l!], device);
    device.run('attentionMatrixReduced', {
      ...shared(inputs, axes),
      rowStart,
      rows,
      reduce: reductions.indexOf(options.reduce),
      rowScale: inputs.rowScale?.handle,
      columnScale: inputs.columnScale?.handle,
      out: matrix.handle,
    });
    return { outputs: { matrix } };
  },
});

/**
 * Mean over all channels of α, of |α| ('meanAbs') or of max(α, 0) ('meanPositive'): (b rows l); with scales that of
 * diag(rowScale)·α·diag(columnScale) of each channel. On the processor all three are summed channel by channel, in blocks with the factors
 * of math.md section 3, and cost the same; on a GPU the plain mean is a product of matrices, and the other two go row by row.
 */
export function attentionMatrixReduced(inputs: ReducedMatrixInputs, options: { reduce: Reduce } & AttentionRows): Tensor<'f32'> {
  return reducedOp(inputs, options).matrix;
}
