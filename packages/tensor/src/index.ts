export { openDevice, Device, DeviceError, describeDevices, type DeviceOptions, type DType, type MemoryUse } from '@hidden-attention/native';
export { Tensor, commonType, groupSize, inGroups, sizeOf, type Float, type TypedArrayOf, type WeightType } from './tensor.js';
export { scope } from './scope.js';
export { ShapeError, formatShape } from './shape-error.js';
export { defineOp, defineRule, type Call, type Gradient, type Op, type OpDefinition, type Operands } from './op.js';
export { gradient, record, unrecorded, type GradientOptions, type Tape, type Watch } from './tape.js';
export { firstNotFinite, type NotFinite } from './not-finite.js';
export { recomputed } from './recompute.js';
export { type RuleSet } from './rules.js';
export { gammaRule } from './gamma.js';
export { abs, affine, exp, gelu, log, negExp, positive, sigmoid, silu, softplus, square } from './ops/unary.js';
export { appendPositions, positionIds, rotate } from './ops/positions.js';
export { cast } from './ops/cast.js';
export { linear, linearSplit } from './ops/linear.js';
export { quantize } from './ops/quantize.js';
export {
  selectiveScan,
  selectiveScanTransposed,
  type SelectiveScanInputs,
  type SelectiveScanTransposedInputs,
} from './ops/selective-scan.js';
export { ssdScan, ssdScanTransposed, type SsdScanInputs, type SsdScanTransposedInputs } from './ops/ssd-scan.js';
export { add, divide, multiply, subtract } from './ops/binary.js';
export { gate } from './ops/gate.js';
export { rmsNorm, type RmsNormInputs, type RmsNormOptions } from './ops/rms-norm.js';
export { causalConv1d, type CausalConv1dInputs, type CausalConv1dOptions } from './ops/causal-conv1d.js';
export { embedding } from './ops/embedding.js';
export { crossEntropy } from './ops/cross-entropy.js';
export { sum, sumLast, sumLeading, weightedSum } from './ops/reduce.js';
export { assign, concat, reshape, reverse, slice, split, transpose } from './ops/layout.js';
export {
  attentionMatrix,
  attentionMatrixReduced,
  type AttentionMatrixInputs,
  type AttentionRows,
  type ReducedMatrixInputs,
} from './ops/attention-matrix.js';
export {
  softmaxAttention,
  softmaxAttentionMatrix,
  softmaxAttentionTransposed,
  type SoftmaxAttentionInputs,
  type SoftmaxAttentionOptions,
} from './ops/softmax-attention.js';
export { topK, type TopK, type TopKOptions } from './ops/top-k.js';
export { matmul, type MatmulOptions } from './ops/matmul.js';
export { adamw, type AdamwInputs, type AdamwOptions } from './ops/adamw.js';
