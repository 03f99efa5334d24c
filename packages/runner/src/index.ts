export { RunnerError } from './errors.js';
export { generate, generateAll } from './generate.js';
export { type GenerateOptions } from './options.js';
export { type Ending, type GeneratedToken } from './row.js';
export { argmax, sampleToken, type SamplingOptions } from './sample.js';
export { createSession, restoreSession, Session } from './session.js';
export { type Alternative } from './log-probabilities.js';
export { perplexity, scoreContinuations, type Perplexity, type Score } from './score.js';
export { beamSearch, type Beam, type BeamOptions } from './beams.js';
