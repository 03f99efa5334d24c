import type { Model } from '@hidden-attention/model';
import type { Explainer } from './explainer.js';
import type { ImageInput } from './image.js';
import type { ScoreFunction, TokenSpan } from './objective.js';
import type { OptionsByMethod } from './options.js';
import type { ExplainInput, TextTokenizer } from './tokens.js';

/** Answers as a request names them: an id, one a row, or what `parseTarget` reads. */
export type Answers = string | number | readonly number[];

/** A method: its name ('raw', 'raw:released'), or an explainer, registered or not. */
export type Method = string | Explainer<never>;

export interface ExplainRequest {
  model: Model;
  /** needed for text, and for targets given as text */
  tokenizer?: TextTokenizer | null;
  /** text, ids, or images for a model that reads them */
  input: ExplainInput | { images: readonly ImageInput[] };
  /** an id, one per row, or what `parseTarget` reads; or a function of the logits. Default: each row's most probable answer */
  target?: Answers | ScoreFunction;
  /** another answer, or one per row: explains the difference of the logits, why the target rather than this one */
  contrast?: Answers;
  /** of a language model, in place of a target: the text's own tokens start…end−1, each expected from what stands before it */
  span?: TokenSpan;
  /** of a language model: the position whose answer is explained, negative from each row's end; default the last */
  position?: number;
  /** names or explainers, or 'all': every registered one that supports the model. Default 'all' */
  methods?: 'all' | readonly Method[];
  options?: OptionsByMethod;
  /** whether the signs of all scores are dropped */
  absolute?: boolean;
  /** the check by removal, or false for none */
  check?: CheckOptions | false;
  /** language of the text, for its words and sentences */
  locale?: string;
  /** is told before each method of each row what is done of how much */
  onProgress?: (done: number, total: number, method: string) => void;
}

/** How maps are checked by removal; see `removal` and `removalEffects`. */
export interface CheckOptions {
  share?: number;
  draws?: number;
  seed?: number;
  /** words that are removed one by one for the rank correlation; 0 for none. Default 32 */
  singles?: number;
}
