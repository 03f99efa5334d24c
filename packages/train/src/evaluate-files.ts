import type { Tokenizer } from '@hidden-attention/checkpoint';
import type { Model } from '@hidden-attention/model';
import { labelledHeldOut, readLabelled } from './data/labelled.js';
import { readTexts, textHeldOut } from './data/text.js';
import { evaluate, type Evaluation } from './objective.js';

/** What `evaluateFiles` runs. */
export interface EvaluateFilesOptions {
  model: Model;
  tokenizer: Tokenizer;
  /** text files; JSON lines {"text", "label"} for a classifier */
  data: readonly string[];
  /** tokens of a window of text, read without what comes before it; where a classifier's texts are cut */
  length: number;
  batchSize?: number;
  signal?: AbortSignal;
}

/**
 * What files that a model was not trained on say of it: bits per byte and perplexity of a language model, accuracy of a
 * classifier. Undefined when interrupted.
 * @throws TrainError for files that cannot be used
 */
export async function evaluateFiles({
  model,
  tokenizer,
  data,
  length,
  batchSize = 16,
  signal,
}: EvaluateFilesOptions): Promise<Evaluation | undefined> {
  const { head } = model.config;
  const heldOut =
    head.kind === 'classifier'
      ? labelledHeldOut(await readLabelled(data, head.labels, tokenizer), { batchSize, length })
      : textHeldOut(await readTexts(data, tokenizer), { batchSize, length });
  return evaluate(model, heldOut, { signal });
}
