import { join } from 'node:path';
import { saveModel, writeFileAtomic, type Tokenizer } from '@hidden-attention/checkpoint';
import { disposeBatch, type Model, type VisionConfig } from '@hidden-attention/model';
import { scope, type Tensor } from '@hidden-attention/tensor';
import { removeCheckpoints, writeCheckpoint, type Checkpoint } from './checkpoint.js';
import type { TrainConfig } from './config.js';
import type { Data, Sample } from './data/data.js';
import { dropInputs } from './data/dropout.js';
import { TrainError } from './errors.js';
import type { Log } from './log.js';
import { evaluate, isBetter, lossAndGradients, type Evaluation } from './objective.js';
import { clipFactor, lossAndSquares, Optimizer } from './optimizer.js';
import type { TrainOptions, TrainResult } from './options.js';
import type { Summary } from './prepare.js';
import { purposes, randomFor } from './random.js';
import { learningRateAt } from './schedule.js';
import { Speed } from './speed.js';
import { Trained } from './trained.js';
import { copyWeights, disposeWeights, updateAverage } from './weights.js';

/** What a loop is made of. */
export interface LoopParts {
  options: TrainOptions;
  data: Data;
  tokenizer: Tokenizer | null;
  steps: number;
  state: Checkpoint;
  log: Log;
}

/** steps between two lines of the log */
const logEvery = 10;

/** One training from where it stands to its end or its interruption. */
export class Loop {
  readonly #parts: LoopParts;
  readonly #trained: Trained;
  readonly #optimizer: Optimizer;
  readonly #speed = new Speed();
  /** since when `progress.seconds` does not count */
  #since = performance.now();

  constructor(parts: LoopParts) {
    this.#parts = parts;
    const { model, progress, weights } = parts.state;
    this.#trained = new Trained(model, progress.config, weights.adapters);
    this.#optimizer = new Optimizer(this.#trained, weights);
  }

  /** Steps, evaluates and writes checkpoints in turn; what comes next depends on the state alone, so resuming leaves nothing out. */
  async run(): Promise<TrainResult> {
    const { options, steps, state } = this.#parts;
    const { progress } = state;
    const begun = progress.step;
    let loss: number | undefined;
    for (;;) {
      const evaluation = this.#evaluationIsDue() ? await this.#evaluate() : undefined;
      if (loss !== undefined) this.#report(loss, evaluation);
      if (options.signal?.aborted && (progress.step < steps || this.#evaluationIsDue())) return this.#interrupt();
      if (progress.step === steps) return this.#finish();
      if (progress.step % progress.config.checkpointEvery === 0 && progress.step > begun) await this.#checkpoint();
      loss = await this.#step();
    }
  }

  /** One optimiser step: the passes, the clipped norm, the update. Waits once, for the loss and the norms. */
  async #step(): Promise<number> {
    const { steps, state, log } = this.#parts;
    const { model } = state;
    const { config, step } = state.progress;
    const begun = performance.now();
    const samples = this.#samples(step);
    const { loss: lossTensor, gradients } = lossAndGradients(this.#trained, samples, config);
    const figures = lossAndSquares(lossTensor, gradients);
    try {
      const numbers = await figures.read();
      const loss = numbers[0]!;
      const norm = Math.sqrt(numbers.subarray(1).reduce((total, square) => total + square, 0));
      this.#refuseDiverged(loss, norm);
      const learningRate = learningRateAt(step, steps, config);
      this.#optimizer.update(gradients, { step: step + 1, learningRate, gradientScale: clipFactor(norm, config.clipNorm) }, config);
      if (state.weights.average) updateAverage(state.weights.average, this.#trained.weights, config.averageWeights!, step + 1);
      state.progress.step++;
      const tokens = samples.reduce((total, sample) => total + positionsOf(model, sample), 0);
      state.progress.tokens += tokens;
      this.#speed.add(tokens, (performance.now() - begun) / 1000);
      if ((step + 1) % logEvery === 0 || step + 1 === steps) {
        await log.add({ step: step + 1, loss, learningRate, gradientNorm: norm, tokensPerSecond: Math.round(this.#speed.tokensPerSecond) });
      }
      return loss;
    } finally {
      for (const tensor of [lossTensor, figures, ...gradients]) tensor.dispose();
    }
  }

  /** The batches of a step, some of their ids replaced at random. */
  #samples(step: number): Sample[] {
    const { data, tokenizer, state } = this.#parts;
    const { seed, accumulation, inputDropout } = state.progress.config;
    const drawn = Array.from({ length: accumulation }, (_, part) => data.training.batch(step, part)).filter(
      ({ labels }) => labels.length > 0,
    );
    return drawn.map((sample, part) =>
      dropInputs(sample, inputDropout, tokenizer?.vocabSize ?? 0, randomFor(seed, purposes.inputDropout, step, part)),
    );
  }

  #refuseDiverged(loss: number, norm: number): void {
    if (Number.isFinite(loss) && Number.isFinite(norm)) return;
    const { step } = this.#parts.state.progress;
    throw new TrainError(
      `step ${step + 1}: the loss is ${loss}, the gradient norm ${norm}; the last checkpoint is kept. Try a smaller learningRate or a longer warm-up`,
    );
  }

  #evaluationIsDue(): boolean {
    const { data, steps, state } = this.#parts;
    const { step, last, config } = state.progress;
    return data.heldOut !== undefined && step > 0 && (step % config.evaluateEvery === 0 || step === steps) && last?.step !== step;
  }

  /** Evaluates the weights that would be kept, and keeps them if they are the best; undefined when interrupted. */
  async #evaluate(): Promise<Evaluation | undefined> {
    const { data, state, log, options } = this.#parts;
    const { progress, weights } = state;
    const kept = weights.average ?? this.#trained.weights;
    const evaluation = await evaluate(() => this.#trained.with(kept), data.heldOut!, {
      limit: progress.config.evaluationBatches,
      signal: options.signal,
      chunk: progress.config.chunk,
    });
    if (!evaluation) return undefined;
    progress.last = { step: progress.step, evaluation };
    await log.add({ step: progress.step, evaluation });
    if (isBetter(evaluation, progress.best?.evaluation)) {
      progress.best = progress.last;
      disposeWeights(weights.best);
      weights.best = scope(() => copyWeights(kept));
    }
    return evaluation;
  }

  #report(loss: number, evaluation: Evaluation | undefined): void {
    const { options, steps, state } = this.#parts;
    const { step } = state.progress;
    const { tokensPerSecond, secondsPerStep } = this.#speed;
    options.onProgress?.({
      step,
      steps,
      loss,
      tokensPerSecond,
      secondsLeft: (steps - step) * secondsPerStep,
      ...(evaluation ? { evaluation } : {}),
    });
  }

  async #checkpoint(): Promise<void> {
    const { options, state, log } = this.#parts;
    this.#countSeconds();
    await writeCheckpoint(options.out, state);
    await log.draw();
  }

  async #interrupt(): Promise<TrainResult> {
    const { step, last } = this.#parts.state.progress;
    await this.#checkpoint();
    return { reason: 'interrupted', step, evaluation: last?.evaluation ?? null };
  }

  /** Writes the model that is kept, and last of all training.json: a folder that has it is complete. */
  async #finish(): Promise<TrainResult> {
    const { options, data, tokenizer, state, log } = this.#parts;
    const { progress, weights, model } = state;
    const keptWeights = weights.best ?? weights.average ?? this.#trained.weights;
    const kept = scope(() => keep(this.#trained.with(keptWeights), [...model.parameters.values(), ...keptWeights.values()]));
    let evaluation = progress.best?.evaluation ?? null;
    if (data.heldOut && progress.config.evaluationBatches !== undefined) {
      const complete = await evaluate(kept.model, data.heldOut, { signal: options.signal, chunk: progress.config.chunk });
      if (!complete) return this.#interrupt();
      evaluation = complete;
    }
    this.#countSeconds();
    await saveModel(options.out, kept.model, { tokenizer, files: preprocessorOf(kept.model, progress.config) });
    for (const tensor of kept.made) tensor.dispose();
    await log.draw();
    const { config, files, step, tokens, seconds, best } = progress;
    const summary: Summary = {
      config,
      files,
      steps: step,
      tokens,
      seconds: Math.round(seconds),
      parameters: model.parameterCount,
      kept: best?.step ?? step,
      evaluation,
    };
    await writeFileAtomic(join(options.out, 'training.json'), `${JSON.stringify(summary, null, 2)}\n`);
    await removeCheckpoints(options.out);
    return { reason: 'finished', step, evaluation };
  }

  #countSeconds(): void {
    const now = performance.now();
    this.#parts.state.progress.seconds += (now - this.#since) / 1000;
    this.#since = now;
  }
}

/** Positions that a model reads of a sample. */
function positionsOf(model: Model, sample: Sample): number {
  if (sample.rows) return sample.rows.reduce((sum, row) => sum + row.length, 0);
  const { pixels, shape } = sample.images!;
  const one = model.images(pixels.subarray(0, pixels.length / shape[0]), [1, ...shape.slice(1)] as unknown as typeof shape);
  disposeBatch(one);
  return shape[0] * one.lengths[0]!;
}

/** A model, and those of its tensors that were made for it: to be freed after use. In an array, so that a scope keeps them. */
function keep(model: Model, held: readonly Tensor[]): { model: Model; made: Tensor[] } {
  return { model, made: [...model.parameters.values()].filter((tensor) => !held.includes(tensor)) };
}

/** How images become the model's input, in the words of Hugging Face's preprocessor_config.json. */
function preprocessorOf({ config }: Model, { images }: TrainConfig): Record<string, string> {
  if (!images) return {};
  const [height, width] = (config as VisionConfig).imageSize;
  const each = (value: number): number[] => [value, value, value];
  const fields = { size: { height, width }, image_mean: each(images.mean), image_std: each(images.deviation) };
  return { 'preprocessor_config.json': `${JSON.stringify(fields, null, 2)}\n` };
}
