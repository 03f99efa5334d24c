import { createModel, Model } from '@hidden-attention/model';
import { openDevice, scope, type Device, type Float, type Tensor } from '@hidden-attention/tensor';
import { readCheckpoint, refuseOther, type Checkpoint } from './checkpoint.js';
import { parseTrainConfig, type TrainConfig } from './config.js';
import type { DataFile } from './data/data.js';
import { Log } from './log.js';
import { Loop } from './loop.js';
import type { TrainOptions, TrainResult } from './options.js';
import { checkTask, openData, openFolder, openTokenizer } from './prepare.js';
import { TrainError } from './errors.js';
import { Trained } from './trained.js';
import { copyWeights, disposeWeights, zeroWeights } from './weights.js';

/**
 * Trains a model by a recipe. Leaves in `out` config.json and model.safetensors (Hugging Face layout; the best weights by
 * evaluation where there are held-out data, else the last), log.jsonl, curve.svg and training.json; while it runs, also the
 * last checkpoint. The same recipe, data, device kind and thread count give the same bits, resumed or not.
 * @throws TrainError before any work for a recipe, data or folder that cannot be used; later when the loss is not a number
 */
export async function train(options: TrainOptions): Promise<TrainResult> {
  const { out, resume = false, device = openDevice() } = options;
  const { from } = options;
  const config = parseTrainConfig(from ? await startingFrom(from.model, options.config) : options.config);
  const fresh = from ? copyOf(from.model, device) : createModel(config.model, { seed: config.seed, device });
  let start: Checkpoint | undefined;
  try {
    checkTask(config, fresh);
    const tokenizer = from?.tokenizer ?? (await openTokenizer(config, fresh));
    const data = await openData(config, options.data, tokenizer, fresh, from?.chat);
    const { finished, checkpoint } = await openFolder(out, resume);
    if (finished) {
      refuseOther(out, finished, { config, files: data.files });
      return { reason: 'finished', step: finished.steps, evaluation: finished.evaluation };
    }
    start = checkpoint ? await readCheckpoint(checkpoint, { config, files: data.files, device }) : beginning(config, data.files, fresh);
    const steps = config.steps ?? Math.max(1, Math.round(config.epochs! * data.training.stepsPerEpoch));
    const log = await Log.open(out, start.progress.step);
    return await new Loop({ options, data, tokenizer, steps, state: start, log }).run();
  } finally {
    start?.model.dispose();
    for (const weights of Object.values(start?.weights ?? {})) disposeWeights(weights);
    fresh.dispose();
  }
}

/** The recipe with the configuration and the mark of the model that it starts from. */
async function startingFrom(model: Model, config: unknown): Promise<unknown> {
  const recipe = typeof config === 'object' && config !== null ? config : {};
  if ('model' in recipe) throw new TrainError('the recipe has a field model, and training starts from a model; leave the field out');
  const { createHash } = await import('node:crypto');
  const hash = createHash('sha256');
  for (const [name, tensor] of model.parameters) hash.update(name).update(await tensor.read());
  return { ...recipe, model: { ...model.json }, startsFrom: hash.digest('hex') };
}

/** A model whose weights may be changed, in f32. */
function copyOf({ family, config, json, parameters }: Model, device: Device): Model {
  const copies = scope(() => new Map([...parameters].map(([name, tensor]): [string, Tensor<Float>] => [name, tensor.as('f32')])));
  return new Model(family, config, json, copies, device);
}

/** The state before the first step. */
function beginning(config: TrainConfig, files: readonly DataFile[], model: Model): Checkpoint {
  const { weights } = new Trained(model, config);
  const average = config.averageWeights === undefined ? undefined : copyWeights(weights);
  return {
    progress: { config, files, step: 0, seconds: 0, tokens: 0, last: null, best: null },
    model,
    weights: { m: zeroWeights(weights), v: zeroWeights(weights), average, adapters: config.lora ? new Map(weights) : undefined },
  };
}
