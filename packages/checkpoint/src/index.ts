export { CheckpointError } from './errors.js';
export { loadModel, type LoadedModel, type LoadOptions } from './load.js';
export {
  readSafetensors,
  writeSafetensors,
  type NumberArray,
  type SafetensorsFile,
  type StoredTensor,
  type SafetensorsInput,
} from './safetensors.js';
export { type ArrayOfDType, type StoredDType } from './dtypes.js';
export { saveModel, type SaveOptions } from './save.js';
export { byteTokenizer } from './byte-tokenizer.js';
export { loadTokenizer, requireTokenizer, tokenizerFor, type Encoded, type Tokenizer } from './tokenizer.js';
