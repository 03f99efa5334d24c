export { EvaluateError } from './errors.js';
export { defineProtocol, summarize, type Figure, type Measured, type Protocol } from './protocol.js';
export { getProtocol, listProtocols, registerProtocol } from './registry.js';
export { listMetrics, registerMetric } from './metrics/registry.js';
export { type MapPair, type Metric } from './metric.js';
export { type Case, type Explained, type MapRequest, type RemovalOptions } from './case.js';
export { ModelCase, type Cost, type Workspace } from './model-case.js';
export { Variants } from './variants.js';
export { baselines, oracle, random, rankerOf, type Ranker, type RankRequest } from './ranker.js';
export { type DataSet, type Example, type Query } from './example.js';
export { bootstrap, pairedTest, type Comparison, type Interval } from './statistics.js';
export { defineData, registerData, type DataKind } from './data/kind.js';
export { getData, listData } from './data/registry.js';
export { planted } from './data/planted.js';
export { type LabelledText } from './data/labelled-text.js';
export { type PracticeText, type Sources, type Task, type TaskText } from './tasks/task.js';
export { listTasks, practiceTexts, registerTask, taskTexts } from './tasks/registry.js';
export { parseSweep, sweepSchema, type DataEntry, type Entry, type ModelEntry, type Sweep } from './sweep/schema.js';
export { type ChosenExplainer, type ChosenProtocol } from './sweep/chosen.js';
export { Plan, type LeftOut, type Piece, type Task as OpenTask } from './sweep/plan.js';
export { measurePiece } from './sweep/piece.js';
export { runSweep, type SweepOptions, type SweepProgress, type SweepResult } from './sweep/run.js';
export { comparable, failed, keyOf, type FailedRow, type MeasuredRow, type Place, type Row } from './sweep/rows.js';
export { readResults, Results } from './sweep/results.js';
export { version } from './version.js';
export { coordinate, type QueueOptions } from './queue/coordinator.js';
export { runWorker, type WorkerOptions } from './queue/worker.js';
export { queueStatus, type QueueStatus } from './queue/status.js';
export { summarizeSweep } from './report/summary.js';
export { writeReport } from './report/write.js';
export { reproduce, type Reproduction, type ReproductionOptions, type ReproductionProgress } from './reproduction/run.js';
export { reproductionPage } from './reproduction/page.js';
export { reproductionRows } from './reproduction/rows/index.js';
export {
  type Cell,
  type Findings,
  type Held,
  type ReproductionRow,
  type ResultTable,
  type RowResult,
  type Verdict,
} from './reproduction/row.js';
