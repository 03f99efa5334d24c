import { Model, nearestNames } from '@hidden-attention/model';
import { add, affine, matmul, Tensor, type Float } from '@hidden-attention/tensor';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import type { TrainConfig } from './config.js';
import { TrainError } from './errors.js';
import { withWeights, type ReadonlyWeights, type Weights } from './weights.js';

/** Weights that low-rank adapters stand beside where a recipe does not say which. */
const usualTargets = ['*.in_proj.weight', '*.x_proj.weight', '*.out_proj.weight'];

/**
 * What of a model is trained: all parameters; those that are not frozen; or low-rank adapters beside some of its weights, W +
 * alpha/rank·B·A (Hu et al. 2022, LoRA), and nothing else.
 */
export class Trained {
  /** what the optimiser changes, by name */
  readonly weights: ReadonlyWeights;
  readonly #scale: number | undefined;

  /**
   * @param adapters of a checkpoint; fresh ones by default, which leave the model as it is
   * @throws TrainError for a pattern that stands for no parameter, adapters beside what is no matrix, or nothing left to train, or a model in int8 or w8a8
   */
  constructor(
    readonly model: Model,
    { freeze = [], lora, seed }: Pick<TrainConfig, 'freeze' | 'lora' | 'seed'>,
    adapters?: Weights,
  ) {
    const parameters = realWeights(model);
    if (lora) {
      this.#scale = (lora.alpha ?? lora.rank) / lora.rank;
      this.weights = adapters ?? freshAdapters(model, lora.targets ?? usualTargets, lora.rank, seed);
      return;
    }
    const frozen = new Set(freeze.flatMap((pattern) => namesOf(model, pattern)));
    this.weights = new Map([...parameters].filter(([name]) => !frozen.has(name)));
    if (this.weights.size === 0) throw new TrainError(`freeze leaves nothing to train: ${freeze.join(', ')} are all parameters`);
  }

  /** Whether weight decay applies to one of the weights. */
  decays(name: string): boolean {
    return this.#scale !== undefined || (this.model.family.parameters(this.model.config)[name]?.decay ?? false);
  }

  /** The model with these weights, or others in their place, in it; on a tape gradients pass to them. */
  with(weights: ReadonlyWeights = this.weights): Model {
    const parameters = realWeights(this.model);
    if (this.#scale === undefined) for (const [name, tensor] of weights) parameters.set(name, tensor);
    else
      for (const [name, A] of weights) {
        const target = /^(.*)\.lora_A$/.exec(name)?.[1];
        if (!target) continue;
        const B = weights.get(`${target}.lora_B`)!;
        parameters.set(target, add(this.model.parameter(target), affine(matmul(B, A), this.#scale)));
      }
    return withWeights(this.model, parameters);
  }
}

/** A model's parameters, none of them in int8 (or w8a8). */
function realWeights({ parameters }: Model): Weights {
  return new Map(
    [...parameters].map(([name, tensor]) => {
      if (tensor.dtype === 'i8')
        throw new TrainError(
          `${name} is in ${tensor.roundsActivations ? 'w8a8' : 'int8'}, which has no gradient; train the model in f32: loadModel(path, { dtype: 'f32' })`,
        );
      return [name, tensor as Tensor<Float>];
    }),
  );
}

/** Parameters that a pattern stands for; `*` is any run of characters. */
function namesOf(model: Model, pattern: string): string[] {
  const expression = new RegExp(`^${pattern.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*')}$`);
  const found = [...model.parameters.keys()].filter((name) => expression.test(name));
  if (found.length === 0)
    throw new TrainError(
      `no parameter is called "${pattern}"; the nearest are ${nearestNames(pattern, model.parameters.keys()).join(', ')}`,
    );
  return found;
}

/** A (rank, in) drawn uniformly within 1/√in, B (out, rank) zero: at first the product is nothing. */
function freshAdapters(model: Model, targets: readonly string[], rank: number, seed: number): Weights {
  const adapters: Weights = new Map();
  const draw = xoroshiro128plus(seed ^ 0x10ad);
  for (const name of new Set(targets.flatMap((pattern) => namesOf(model, pattern)))) {
    const weight = model.parameter(name);
    if (weight.shape.length !== 2) throw new TrainError(`lora.targets: ${name} is no matrix; adapters stand beside matrices only`);
    const [rows, columns] = weight.shape as [number, number];
    const A = Float32Array.from({ length: rank * columns }, () => (2 * ((draw.next() >>> 0) / 2 ** 32) - 1) / Math.sqrt(columns));
    adapters.set(`${name}.lora_A`, Tensor.from(A, [rank, columns], model.device) as Tensor<Float>);
    adapters.set(`${name}.lora_B`, Tensor.full([rows, rank], 0, model.device));
  }
  return adapters;
}
