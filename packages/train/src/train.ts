import { existsSync } from 'node:fs';
import { cp, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { byteTokenizer, loadTokenizer, saveModel, type Tokenizer } from '@hidden-attention/checkpoint';
import { createModel, Model } from '@hidden-attention/model';
import { add, openDevice, record, scope, type Device, type Tensor } from '@hidden-attention/tensor';
import writeFileAtomic from 'write-file-atomic';
import { parseTrainConfig, type TrainConfig } from './config.js';
import { labelledDataset, readLabelled, readTexts, textDataset, type Dataset } from './data.js';
import { TrainError } from './errors.js';
import { Log } from './log.js';
import { evaluate, meanLoss, type Evaluation } from './objective.js';
import { Optimizer } from './optimizer.js';
import { hasCheckpoint, loadCheckpoint, saveCheckpoint, type Progress } from './resume.js';
import { randomFor, shuffled } from './random.js';
import { learningRateAt } from './schedule.js';

/** How far a training is. */
export interface TrainProgress {
  step: number;
  steps: number;
  loss: number;
  tokensPerSecond: number;
  secondsLeft: number;
  evaluation?: Evaluation;
}

export interface TrainOptions {
  /** the recipe, as JSON (see `parseTrainConfig`) */
  config: unknown;
  /** text files, or JSON lines {"text", "label"} */
  data: readonly string[];
  /** folder for the model, its checkpoints, log and curve */
  out: string;
  resume?: boolean;
  device?: Device;
  /** finishes the step, writes a checkpoint and ends with reason 'interrupted' */
  signal?: AbortSignal;
  onProgress?: (progress: TrainProgress) => void;
}

export interface TrainResult {
  reason: 'finished' | 'interrupted';
  step: number;
  evaluation: Evaluation | null;
}

/** steps between two lines of the log */
const logEvery = 10;

/**
 * Trains a model by a recipe. In `out`: config.json and model.safetensors (Hugging Face layout; the best weights by
 * validation loss where there is validation data), log.jsonl, curve.svg, training.json, and while it runs `checkpoint/`.
 * The same recipe, data, device kind and thread count give the same bits, resumed or not.
 * @throws TrainError before any work for a recipe, data or folder that cannot be used; later when the loss is not a number
 */
export async function train(options: TrainOptions): Promise<TrainResult> {
  const config = parseTrainConfig(options.config);
  const device = options.device ?? openDevice();
  await checkFolder(options.out, options.resume ?? false);
  const fresh = createModel(config.model, { seed: config.seed, device });
  checkTask(config, fresh);
  const tokenizer = await tokenizerOf(config, fresh);
  const { training, validation } = await datasets(config, options.data, tokenizer, fresh);
  const steps = config.steps ?? Math.max(1, Math.round(config.epochs! * training.stepsPerEpoch));

  const resumed = options.resume ? await loadCheckpoint(options.out, config, device) : undefined;
  const model = resumed ? new Model(fresh.family, fresh.config, fresh.json, resumed.tensors.model, device) : fresh;
  if (resumed) fresh.dispose();
  const optimizer = new Optimizer(model);
  if (resumed) optimizer.restore(resumed.tensors.optimizer);
  const progress: Progress = resumed?.progress ?? { step: 0, seconds: 0, tokens: 0, best: null, config };
  const run = new Run({ config, options, model, optimizer, tokenizer, training, validation, steps, progress, log: await Log.open(options.out, progress.step) });
  try {
    return await run.go();
  } finally {
    optimizer.dispose();
    model.dispose();
  }
}

interface Parts {
  config: TrainConfig;
  options: TrainOptions;
  model: Model;
  optimizer: Optimizer;
  tokenizer: Tokenizer;
  training: Dataset;
  validation: Dataset | null;
  steps: number;
  progress: Progress;
  log: Log;
}

/** One training between its preparation and its end. */
class Run {
  readonly #p: Parts;
  #started = performance.now();
  /** a moving average of the time a step takes, and the tokens in it */
  #secondsPerStep = 0;
  #tokensPerSecond = 0;

  constructor(parts: Parts) {
    this.#p = parts;
  }

  async go(): Promise<TrainResult> {
    const { config, options, steps, progress, log } = this.#p;
    let evaluation: Evaluation | null = null;
    while (progress.step < steps) {
      const { loss, norm, learningRate } = await this.#step();
      const last = progress.step === steps;
      const interrupted = options.signal?.aborted ?? false;
      if (progress.step % logEvery === 0 || last) {
        await log.add({ step: progress.step, loss, learningRate, gradientNorm: norm, tokensPerSecond: Math.round(this.#tokensPerSecond) });
      }
      const due = !interrupted && (progress.step % config.evaluateEvery === 0 || last);
      if (due && this.#p.validation) {
        evaluation = await this.#evaluate(last);
      }
      options.onProgress?.({
        step: progress.step,
        steps,
        loss,
        tokensPerSecond: this.#tokensPerSecond,
        secondsLeft: (steps - progress.step) * this.#secondsPerStep,
        ...(due && evaluation ? { evaluation } : {}),
      });
      if (interrupted && !last) {
        await this.#checkpoint();
        return { reason: 'interrupted', step: progress.step, evaluation };
      }
      if (progress.step % config.checkpointEvery === 0 && !last) await this.#checkpoint();
    }
    await this.#finish(evaluation);
    return { reason: 'finished', step: progress.step, evaluation };
  }

  /** One optimiser step: `accumulation` passes, the clipped norm, the update. Waits once, for the loss and the norms. */
  async #step(): Promise<{ loss: number; norm: number; learningRate: number }> {
    const { config, model, optimizer, training, steps, progress } = this.#p;
    const before = performance.now();
    let tokens = 0;
    const { gradients, losses, squares } = scope(() => {
      const losses: Tensor<'f32'>[] = [];
      let gradients: Tensor<'f32'>[] | undefined;
      for (let part = 0; part < config.accumulation; part++) {
        const examples = training.batch(progress.step, part);
        tokens += examples.tokens;
        const { value, tape } = record(optimizer.parameters, () => meanLoss(model, examples, config.accumulation));
        const own = tape.gradient(value, optimizer.parameters);
        tape.dispose();
        losses.push(value);
        gradients = gradients ? addEach(gradients, own) : own;
      }
      return { gradients: gradients!, losses, squares: optimizer.squaredNorms(gradients!) };
    });
    const loss = (await Promise.all(losses.map((tensor) => tensor.item()))).reduce((a, b) => a + b, 0);
    const norm = Math.sqrt((await squares.read()).reduce((sum, square) => sum + square, 0));
    if (!Number.isFinite(loss) || !Number.isFinite(norm)) {
      throw new TrainError(
        `step ${progress.step + 1}: the loss is ${loss}, the gradient norm ${norm}; the last checkpoint is kept. Try a smaller learningRate or a longer warm-up`,
      );
    }
    const learningRate = learningRateAt(progress.step, steps, config);
    optimizer.update(gradients, progress.step + 1, learningRate, Math.min(1, config.clipNorm / (norm + 1e-6)), config);
    for (const tensor of [...gradients, ...losses, squares]) tensor.dispose();
    progress.step++;
    progress.tokens += tokens;
    const seconds = (performance.now() - before) / 1000;
    const keep = this.#secondsPerStep === 0 ? 0 : 0.95;
    this.#secondsPerStep = keep * this.#secondsPerStep + (1 - keep) * seconds;
    this.#tokensPerSecond = keep * this.#tokensPerSecond + ((1 - keep) * tokens) / seconds;
    return { loss, norm, learningRate };
  }

  async #evaluate(all: boolean): Promise<Evaluation> {
    const { config, model, options, validation, progress, log } = this.#p;
    const evaluation = await evaluate(model, validation!, all ? Infinity : config.evaluationBatches);
    await log.add({ step: progress.step, evaluation });
    if (!progress.best || evaluation.loss < progress.best.evaluation.loss) {
      progress.best = { step: progress.step, evaluation };
      await saveModel(join(options.out, 'best'), model);
    }
    return evaluation;
  }

  async #checkpoint(): Promise<void> {
    const { options, model, optimizer, progress, log } = this.#p;
    progress.seconds += (performance.now() - this.#started) / 1000;
    this.#started = performance.now();
    await saveCheckpoint(options.out, progress, { model: model.parameters, optimizer: optimizer.state() });
    await writeFileAtomic(join(options.out, 'curve.svg'), log.curve());
  }

  /** The finished model in `out`, with what it took; the checkpoint is no longer needed. */
  async #finish(evaluation: Evaluation | null): Promise<void> {
    const { config, options, model, progress, log, tokenizer } = this.#p;
    progress.seconds += (performance.now() - this.#started) / 1000;
    const best = join(options.out, 'best');
    if (progress.best && progress.best.step < progress.step && existsSync(best)) await cp(best, options.out, { recursive: true });
    else await saveModel(options.out, model);
    await writeFileAtomic(join(options.out, 'curve.svg'), log.curve());
    const { step, tokens, best: kept } = progress;
    const summary = { config, steps: step, tokens, seconds: Math.round(progress.seconds), parameters: model.parameterCount, final: evaluation, kept };
    await writeFileAtomic(join(options.out, 'training.json'), `${JSON.stringify(summary, null, 2)}\n`);
    for (const folder of ['best', 'checkpoint', 'checkpoint.old']) await rm(join(options.out, folder), { recursive: true, force: true });
  }
}

function addEach(a: readonly Tensor<'f32'>[], b: readonly Tensor<'f32'>[]): Tensor<'f32'>[] {
  return a.map((tensor, i) => add(tensor, b[i]!));
}

async function checkFolder(out: string, resume: boolean): Promise<void> {
  if (existsSync(join(out, 'training.json'))) throw new TrainError(`${out} holds a finished training (training.json); choose another --out`);
  if (!resume && hasCheckpoint(out)) throw new TrainError(`${out} holds the checkpoint of a training; go on with --resume, or choose another --out`);
  await mkdir(out, { recursive: true }).catch((error: Error) => {
    throw new TrainError(`--out ${out}: ${error.message}`);
  });
}

function checkTask(config: TrainConfig, model: Model): void {
  const head = model.config.head.kind;
  const needed = config.task === 'classification' ? 'classifier' : 'language-model';
  if (head !== needed) throw new TrainError(`task ${config.task} needs a ${needed}; model.architectures of the recipe makes a ${head}`);
}

async function tokenizerOf(config: TrainConfig, model: Model): Promise<Tokenizer> {
  if (config.tokenizer === 'byte') return byteTokenizer(model.config.vocabSize);
  const tokenizer = await loadTokenizer(config.tokenizer);
  if (tokenizer.vocabSize > model.config.vocabSize) {
    throw new TrainError(`the tokenizer ${config.tokenizer} has ${tokenizer.vocabSize} ids; the model's vocab_size is ${model.config.vocabSize}`);
  }
  return tokenizer;
}

/** Training and validation data, the latter from its own file or the end of the former. */
async function datasets(config: TrainConfig, paths: readonly string[], tokenizer: Tokenizer, model: Model): Promise<{ training: Dataset; validation: Dataset | null }> {
  if (paths.length === 0) throw new TrainError('no training data; give at least one file');
  const { batchSize, accumulation, length, seed, inputDropout } = config;
  const options = { batchSize, accumulation, length, seed, inputDropout, vocabSize: Math.min(model.config.vocabSize, tokenizer.vocabSize) };
  const file = config.validation && 'file' in config.validation ? config.validation.file : undefined;
  const share = config.validation && 'fraction' in config.validation ? config.validation.fraction : 0;
  if (config.task === 'language-modelling') {
    const ids = await readTexts(paths, tokenizer);
    const held = file ? await readTexts([file], tokenizer) : ids.subarray(Math.floor(ids.length * (1 - share)));
    const kept = file ? ids : ids.subarray(0, ids.length - held.length);
    return { training: textDataset(kept, options), validation: held.length > 1 ? textDataset(held, { ...options, length: Math.min(length, held.length - 1) }) : null };
  }
  const { head } = model.config;
  const labels = head.kind === 'classifier' ? head.labels : [];
  const all = await readLabelled(paths, tokenizer, labels, length);
  const held = file ? await readLabelled([file], tokenizer, labels, length) : drawHeldOut(all, share, seed);
  return { training: labelledDataset(all, options), validation: held.rows.length > 0 ? labelledDataset(held, options) : null };
}

/**
 * Moves a random `share` of the examples into a set of their own. Random, for files are often sorted by label; the seed alone
 * decides which. At least one where a share is asked for.
 */
function drawHeldOut(all: { rows: Int32Array[]; classes: number[] }, share: number, seed: number): { rows: Int32Array[]; classes: number[] } {
  const count = share === 0 ? 0 : Math.max(1, Math.round(all.rows.length * share));
  const held = new Set(shuffled(all.rows.length, randomFor(seed, -2)).slice(0, count));
  const pick = <T>(list: readonly T[], wanted: boolean): T[] => list.filter((_, i) => held.has(i) === wanted);
  const drawn = { rows: pick(all.rows, true), classes: pick(all.classes, true) };
  Object.assign(all, { rows: pick(all.rows, false), classes: pick(all.classes, false) });
  return drawn;
}
