// One import for the common path: load, run, look, explain, train. Everything else is in the packages by name.
import type * as Training from '@hidden-attention/train';

export { attentionView, audit, rollout, type AttentionLayer, type AttentionView } from '@hidden-attention/attention';
export { byteTokenizer, loadModel, saveModel, type LoadedModel, type Tokenizer } from '@hidden-attention/checkpoint';
export { explain, knockout, listExplainers, logitLens, registerExplainer, type Explainer } from '@hidden-attention/explain';
export { createModel, registerFamily, type Model } from '@hidden-attention/model';
export { explanationReport, explanationSvg } from '@hidden-attention/plot';
export { createSession, generate, generateAll } from '@hidden-attention/runner';
export { openDevice, scope, Tensor } from '@hidden-attention/tensor';
export { listZoo, loadZoo } from '@hidden-attention/zoo';

/** `train` of @hidden-attention/train, which loads with the first call. */
export const train: typeof Training.train = async (options) => (await import('@hidden-attention/train')).train(options);
