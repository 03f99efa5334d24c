export { explain } from './explain.js';
export { type Answers, type CheckOptions, type ExplainRequest, type Method } from './request.js';
export {
  type AttributionMap,
  type Certificate,
  type Completeness,
  type Convergence,
  type Correlation,
  type ExplainedAnswer,
  type ExplainedTarget,
  type Explanation,
  type Span,
} from './result.js';
export { defineExplainer, fullName, type Explainer, type Relevance, type Variant } from './explainer.js';
export { getExplainer, listExplainers, registerExplainer } from './registry.js';
export { importPackage } from './packages.js';
export { Question, type QuestionGradient } from './question.js';
export { type Removable } from './removable.js';
export { batchOfImages, gridOf, type ImageInput } from './image.js';
export { registerRules, rules } from './rules.js';
export { optionsFor, type OptionsByMethod } from './options.js';
export { removable } from './removable.js';
export { removal, type Removal, type RemovalReport, type RemovalRequest } from './removal.js';
export { answersWithout, type Fill, type RemovableInput } from './without.js';
export { probabilities } from './answer.js';
export { isSpan, type Contrast, type Objective, type ScoreFunction, type Target, type TokenSpan } from './objective.js';
export { rankCorrelation, removalEffects, type Effects } from './effects.js';
export { groupTokens, sumByGroup, type Group } from './aggregate.js';
export { parseTarget } from './target.js';
export { parseSpan } from './targets.js';
export { type ExplainInput, type InputRow, type TextTokenizer, type Token } from './tokens.js';
export { ExplainError, UnknownNameError } from './errors.js';
export { activationPatching, type PatchingRequest, type PatchingResult } from './interventions/activation-patching.js';
export { causalTracing, type TracingRequest, type TracingResult } from './interventions/causal-tracing.js';
export { knockout, knockoutOfGroups, knockoutWindows, type KnockoutRequest, type WindowEffect } from './interventions/knockout.js';
export { type Places } from './interventions/restore.js';
export { type Change, type Effect, type Input, type Subject } from './interventions/subject.js';
export { pruneTokens, type PruningRequest, type PruningResult } from './interventions/token-pruning.js';
export { logitLens, type LensReading, type LensRequest, type LogitLens } from './lenses/logit-lens.js';
export { stateLens, type StateLensRequest, type StateReading } from './lenses/state-lens.js';
