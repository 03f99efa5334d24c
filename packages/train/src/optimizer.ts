import { adamw, concat, scope, sumLast, Tensor } from '@hidden-attention/tensor';
import type { Model } from '@hidden-attention/model';
import type { TrainConfig } from './config.js';

/** AdamW over all parameters of a model; weight decay where the family's ParameterSpec says so (not on A_log, D, biases, norms). */
export class Optimizer {
  readonly names: readonly string[];
  readonly parameters: readonly Tensor<'f32'>[];
  readonly #decays: readonly boolean[];
  readonly #m: Tensor<'f32'>[];
  readonly #v: Tensor<'f32'>[];

  constructor(model: Model) {
    const specs = model.family.parameters(model.config);
    this.names = [...model.parameters.keys()];
    this.parameters = [...model.parameters.values()];
    this.#decays = this.names.map((name) => specs[name]?.decay ?? true);
    this.#m = this.parameters.map(({ shape, device }) => Tensor.full(shape, 0, device));
    this.#v = this.parameters.map(({ shape, device }) => Tensor.full(shape, 0, device));
  }

  /** Σ g² of every gradient (number of parameters): for the norm that is clipped. */
  squaredNorms(gradients: readonly Tensor[]): Tensor<'f32'> {
    return scope(() => concat(gradients.map((gradient) => sumLast(gradient.view([1, gradient.size]), 'squares')), 0)) as Tensor<'f32'>;
  }

  /** One update of all parameters in place; `step` counts from 1. */
  update(gradients: readonly Tensor[], step: number, learningRate: number, gradientScale: number, config: TrainConfig): void {
    const { beta1, beta2, epsilon, weightDecay } = config;
    this.parameters.forEach((parameter, i) => {
      adamw(
        { parameter, gradient: gradients[i]!, m: this.#m[i]!, v: this.#v[i]! },
        { learningRate, beta1, beta2, epsilon, decay: this.#decays[i] ? weightDecay : 0, step, gradientScale },
      );
    });
  }

  /** The moments by name, for a checkpoint. */
  state(): Map<string, Tensor<'f32'>> {
    return new Map(this.names.flatMap((name, i) => [[`m.${name}`, this.#m[i]!] as const, [`v.${name}`, this.#v[i]!] as const]));
  }

  /** Takes over moments that a checkpoint kept. */
  restore(state: ReadonlyMap<string, Tensor<'f32'>>): void {
    this.names.forEach((name, i) => {
      for (const [list, prefix] of [[this.#m, 'm'], [this.#v, 'v']] as const) {
        list[i]!.dispose();
        list[i] = state.get(`${prefix}.${name}`)!;
      }
    });
  }

  dispose(): void {
    for (const tensor of [...this.#m, ...this.#v]) tensor.dispose();
  }
}
