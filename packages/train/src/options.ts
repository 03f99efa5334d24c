import type { ChatTemplate, Tokenizer } from '@hidden-attention/checkpoint';
import type { Model } from '@hidden-attention/model';
import type { Device } from '@hidden-attention/tensor';
import type { Evaluation } from './objective.js';

/** How far a training is. */
export interface TrainProgress {
  /** steps done, of `steps` */
  step: number;
  steps: number;
  /** of the last batch, in nats */
  loss: number;
  tokensPerSecond: number;
  secondsLeft: number;
  /** after the steps that had one */
  evaluation?: Evaluation;
}

export interface TrainOptions {
  /** the recipe, as JSON (see `parseTrainConfig`); without `model` where it starts from one */
  config: unknown;
  /** fine-tuning: the model, and its tokenizer, that training starts from; left as they are */
  from?: { model: Model; tokenizer: Tokenizer | null; chat?: ChatTemplate | null };
  /**
   * text files; or JSON lines (.jsonl): {"text", "label"} of a classifier, {"text"}, {"prompt", "completion"} or {"messages"} of a language
   * model; or safetensors of images and labels
   */
  data: readonly string[];
  /** folder for the model, its checkpoints, log and curve */
  out: string;
  /** go on from the checkpoint in `out`; ends at once where the training is finished */
  resume?: boolean;
  device?: Device;
  /** finishes the step, writes a checkpoint and ends with reason 'interrupted' */
  signal?: AbortSignal;
  onProgress?: (progress: TrainProgress) => void;
}

export interface TrainResult {
  reason: 'finished' | 'interrupted';
  /** steps done */
  step: number;
  /** of the weights that were kept, or the last one made */
  evaluation: Evaluation | null;
}
