import { existsSync } from 'node:fs';
import { access, constants, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { byteTokenizer, loadTokenizer, type ChatTemplate, type Tokenizer } from '@hidden-attention/checkpoint';
import type { Model } from '@hidden-attention/model';
import { findCheckpoint, type Progress } from './checkpoint.js';
import type { TrainConfig } from './config.js';
import type { Data } from './data/data.js';
import { exampleData } from './data/examples.js';
import { imageData } from './data/images.js';
import { labelledData } from './data/labelled.js';
import { textData } from './data/text.js';
import { TrainError } from './errors.js';
import type { Evaluation } from './objective.js';

/** training.json: what a finished training was and gave. */
export interface Summary extends Pick<Progress, 'config' | 'files'> {
  steps: number;
  tokens: number;
  seconds: number;
  parameters: number;
  /** the step whose weights were kept */
  kept: number;
  /** of the kept weights, on all held-out data; null without such data */
  evaluation: Evaluation | null;
}

/**
 * Looks at the output folder before any work, and makes it.
 * @returns a finished training's summary, or the checkpoint to go on from; neither at a new start
 * @throws TrainError when it cannot be written, or holds what must not be written over
 */
export async function openFolder(out: string, resume: boolean): Promise<{ finished?: Summary; checkpoint?: string }> {
  await mkdir(out, { recursive: true })
    .then(() => access(out, constants.W_OK))
    .catch((error: Error) => {
      throw new TrainError(`the output folder ${out} cannot be written: ${error.message}`);
    });
  const summary = join(out, 'training.json');
  if (existsSync(summary)) {
    if (resume) return { finished: JSON.parse(await readFile(summary, 'utf8')) as Summary };
    throw new TrainError(`${out} holds a finished training (training.json); choose another output folder`);
  }
  const checkpoint = await findCheckpoint(out);
  if (checkpoint && !resume)
    throw new TrainError(`${out} holds the checkpoint of a training; go on with --resume, or choose another output folder`);
  if (checkpoint) return { checkpoint };
  if (existsSync(join(out, 'model.safetensors')) || existsSync(join(out, 'config.json'))) {
    throw new TrainError(`${out} holds a model that is not of this training; choose another output folder`);
  }
  if (resume && !existsSync(join(out, 'log.jsonl')))
    throw new TrainError(`${out} holds no training to resume; leave --resume out to start one`);
  return {};
}

/** @throws TrainError when the model cannot do the task */
export function checkTask(config: TrainConfig, model: Model): void {
  const needed = config.task === 'classification' ? 'classifier' : 'language-model';
  const { kind } = model.config.head;
  if (kind === needed) return;
  const architecture = config.task === 'classification' ? 'MambaForSequenceClassification' : 'MambaForCausalLM';
  throw new TrainError(
    `task ${config.task} needs a ${needed}; model.architectures makes a ${kind}. Use "architectures": ["${architecture}"]`,
  );
}

/**
 * The tokenizer that the recipe names; a model of images has none.
 * @throws TrainError when its ids are not those of the model: the trained model could not read text
 */
export async function openTokenizer(config: TrainConfig, model: Model): Promise<Tokenizer | null> {
  if (model.family.images) return null;
  const { vocabSize } = model.config;
  if (config.tokenizer === 'byte') {
    const declared = model.json['special_tokens'];
    const specials = Array.isArray(declared) ? declared.map(String) : [];
    const needed = 256 + specials.length;
    if (vocabSize === needed) return byteTokenizer(vocabSize, specials);
    throw new TrainError(
      `tokenizer "byte" needs model.vocab_size ${needed}${specials.length > 0 ? ' (256 and special_tokens)' : ''}; it is ${vocabSize}`,
    );
  }
  const tokenizer = await loadTokenizer(config.tokenizer);
  if (tokenizer.vocabSize <= vocabSize) return tokenizer;
  throw new TrainError(`the tokenizer ${config.tokenizer} has ${tokenizer.vocabSize} ids; model.vocab_size is ${vocabSize}`);
}

/** Reads the data of the recipe's task. */
export async function openData(
  config: TrainConfig,
  paths: readonly string[],
  tokenizer: Tokenizer | null,
  model: Model,
  chat: ChatTemplate | null = null,
): Promise<Data> {
  if (paths.length === 0) throw new TrainError('no training data; give at least one file');
  if (!tokenizer) {
    const { images } = config;
    if (!images) throw new TrainError('the model reads images, and the recipe has no field images; give { "mean": …, "deviation": … }');
    return imageData(paths, model, { ...config, images });
  }
  const { head } = model.config;
  if (head.kind === 'classifier') return labelledData(paths, head.labels, tokenizer, config);
  const lines = paths.filter((path) => path.endsWith('.jsonl'));
  if (lines.length === 0) {
    if (config.packed)
      throw new TrainError('packed is for JSON lines, each a text of its own; windows of a text fill their rows as they are');
    return textData(paths, tokenizer, config);
  }
  if (lines.length < paths.length)
    throw new TrainError(`${lines[0]} has JSON lines and ${paths.find((path) => !path.endsWith('.jsonl'))} is text; train on one kind`);
  return exampleData(paths, { tokenizer, chat, end: model.config.endOfSequence[0] }, config);
}
