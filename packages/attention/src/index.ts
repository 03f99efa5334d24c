export { type Around } from './block.js';
export { audit, type Audit, type LayerAudit } from './audit.js';
export { auditLong } from './audit-long.js';
export { channelsBySpeed, type ChannelSpeed } from './channel-speed.js';
export { type ChannelChoice, type Reduce } from './channels.js';
export { contributions, type Split } from './contributions.js';
export { edges, edgeSums, throughEdges, type Clamp, type EdgeOptions } from './edges.js';
export { attentionFigures, figuresOfMatrix, type AttentionFigures } from './figures.js';
export { type EdgeSet, type Positions } from './edge-sets.js';
export { knockoutPatches, type KnockoutOptions } from './knockout.js';
export { askedOfState, earlierRow } from './earlier.js';
export { type RolloutReport } from './guard.js';
export { attentionLayer, type AttentionLayer, type TopRows, type Operator } from './layer.js';
export { LiveAttention, type LiveAttentionOptions, type LiveOverall, type LiveRow } from './live.js';
export { longRow, type LongRow, type LongRowOptions } from './long-row.js';
export { overSmoothing } from './over-smoothing.js';
export { checkFits, formatBytes } from './memory.js';
export { type Position, type RowRange } from './positions.js';
export { effectiveReceptiveField, type ReceptiveField } from './receptive-field.js';
export { multiplyLayers, rollout, rolloutMatrix, type Normalize, type Rollout, type RolloutOptions } from './rollout.js';
export { scaledLayer } from './scaled-layer.js';
export { type Scales } from './scaled-scan.js';
export { rolloutLongRow, type LongRolloutOptions } from './rollout-long.js';
export {
  attentionView,
  AttentionView,
  bytesPerPosition,
  smallestBatch,
  type Direction,
  type LayerView,
  type Part,
  type PartOptions,
} from './view.js';
