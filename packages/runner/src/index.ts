export { generate, generateAll, type GeneratedToken, type GenerateOptions } from './generate.js';
export { createSession, restoreSession, Session } from './session.js';
export { argmax, checkSampling, sampleToken, type SamplingOptions } from './sample.js';
export { RunnerError } from './errors.js';
