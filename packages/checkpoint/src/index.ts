export { loadModel, type LoadedModel, type LoadOptions } from './load.js';
export { saveModel } from './save.js';
export {
  readSafetensors,
  writeSafetensors,
  type SafetensorsData,
  type SafetensorsEntry,
  type SafetensorsFile,
  type SafetensorsInput,
  type SafetensorsType,
} from './safetensors.js';
export { byteTokenizer, loadTokenizer, requireTokenizer, tokenizerFor, type Tokenizer } from './tokenizer.js';
export { CheckpointError } from './errors.js';
