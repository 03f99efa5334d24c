export { RunnerError } from './errors.js';
export { generate, generateAll } from './generate.js';
export { type GenerateOptions } from './options.js';
export { type Ending, type GeneratedToken } from './row.js';
export { argmax, sampleToken, type SamplingOptions } from './sample.js';
export { createSession, restoreSession, Session } from './session.js';
