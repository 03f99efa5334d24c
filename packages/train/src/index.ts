export { train, type TrainOptions, type TrainProgress, type TrainResult } from './train.js';
export { parseTrainConfig, type TrainConfig } from './config.js';
export { learningRateAt } from './schedule.js';
export { evaluate, type Evaluation } from './objective.js';
export { labelledDataset, readLabelled, readTexts, textDataset, type Dataset, type DatasetOptions, type Examples } from './data.js';
export { Optimizer } from './optimizer.js';
export { TrainError } from './errors.js';
