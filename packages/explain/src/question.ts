import { attentionView, audit, auditLong, bytesPerPosition, checkFits, type AttentionView, type Audit } from '@hidden-attention/attention';
import { disposeBatch, disposeState, isImages, type Batch, type Model } from '@hidden-attention/model';
import { record, scope, Tensor, type Float, type RuleSet, type Tape } from '@hidden-attention/tensor';
import { answers, imageAnswers } from './answer.js';
import { batchOfImages, type ImageInput } from './image.js';

/** A backward pass from the explained logit, under some rules. Tensors belong to the question. */
export interface QuestionGradient {
  /** with respect to the residual stream: entry k before block k, the last one after the last block; (1 l m) each. Entry 0: the embeddings */
  stream: readonly Tensor<Float>[];
  /** with respect to the model's biases, by parameter name */
  biases: ReadonlyMap<string, Tensor<Float>>;
}

/** The forward pass that gradients are taken of. */
interface Recorded {
  tape: Tape;
  logits: Tensor<Float>;
  stream: readonly Tensor[];
}

/** Texts longer than this are audited in pieces, and have their memory estimated before a tape is recorded. */
const longText = 8192;

/**
 * What is to be explained: why this model gives `target` this logit, at one text or image. A language model's text ends at the explained
 * position: what follows cannot matter to a causal model. What methods need (attention, gradients) is computed when first asked
 * for, and then shared by all methods of a call.
 */
export class Question {
  /** of an image: none */
  readonly ids: Int32Array;
  /** the image that it is about, if it is about one */
  readonly image: ImageInput | undefined;
  /** number of positions: ids, or patches and class tokens */
  readonly length: number;
  /** of an image: positions of its class tokens */
  readonly classPositions: readonly number[];
  /** weights of the positions that the logit is read from: 1 at one position, or 1/length each where a classifier pools by mean */
  readonly start: Float64Array;
  /** the position whose output is explained; null where it is a mean of several */
  readonly position: number | null;
  #batch: Batch | undefined;
  #logits: Promise<Float32Array> | undefined;
  #view: Promise<AttentionView> | undefined;
  #audit: Promise<Audit> | undefined;
  #recorded: Recorded | undefined;
  readonly #gradients = new Map<string, QuestionGradient>();
  #target: number | undefined;

  /** @param input ids of one text, in full or up to the position that is explained; or an image */
  constructor(
    readonly model: Model,
    input: ArrayLike<number> | ImageInput,
    target?: number,
  ) {
    this.image = 'pixels' in input ? input : undefined;
    this.ids = Int32Array.from('pixels' in input ? [] : input);
    this.#batch = this.image && batchOfImages(model, [this.image]);
    this.length = this.#batch ? this.#batch.lengths[0]! : this.ids.length;
    this.classPositions = this.#batch && isImages(this.#batch) ? this.#batch.classPositions : [];
    this.#target = target;
    const { head } = model.config;
    const pooling = head.kind === 'classifier' ? head.pooling : 'last';
    const read = {
      mean: Array.from({ length: this.length }, (_, at) => at),
      last: [this.length - 1],
      'class-token': [...this.classPositions],
    }[pooling];
    this.position = read.length === 1 ? read[0]! : null;
    this.start = new Float64Array(this.length);
    for (const at of read) this.start[at] = 1 / read.length;
  }

  /** All logits of the answer. */
  async logits(): Promise<Float32Array> {
    return (this.#logits ??= (this.image ? imageAnswers(this.model, [this.image]) : answers(this.model, [this.ids])).then(
      ([logits]) => logits!,
    ));
  }

  /** The explained class or token: the one asked for, else the one with the largest logit. */
  async target(): Promise<number> {
    if (this.#target === undefined) {
      const logits = await this.logits();
      this.#target = logits.reduce((best, value, id) => (value > logits[best]! ? id : best), 0);
    }
    return this.#target;
  }

  /** The model's layers as attention. */
  async attention(): Promise<AttentionView> {
    return (this.#view ??= attentionView(this.model, this.#rows()));
  }

  /** How far the layers are from what their attention says. */
  async audit(): Promise<Audit> {
    return (this.#audit ??= this.length > longText && !this.image ? auditLong(this.model, this.ids) : this.attention().then(audit));
  }

  /** The residual stream: entry k before block k, the last one after the last block; (1 l m) each. */
  stream(): readonly Tensor[] {
    return this.#record().stream;
  }

  /** Gradients of the explained logit under some rules (none: the true ones). */
  async gradient(rules: RuleSet = {}): Promise<QuestionGradient> {
    const target = await this.target();
    const key = JSON.stringify(Object.entries(rules).sort());
    const known = this.#gradients.get(key);
    if (known) return known;
    const { tape, logits, stream } = this.#record();
    const seed = oneOf(logits, target);
    const biases = this.biases();
    const gradients = tape.gradient(logits, [...stream, ...biases.values()], { seed, rules });
    seed.dispose();
    const found = {
      stream: gradients.slice(0, stream.length),
      biases: new Map([...biases.keys()].map((name, i) => [name, gradients[stream.length + i]!])),
    };
    this.#gradients.set(key, found);
    return found;
  }

  /**
   * Values at sites, and the gradients of the explained logit with respect to them; new tensors, the caller's to free. It runs the model
   * once more.
   */
  async atSites(sites: readonly string[], rules: RuleSet = {}): Promise<Record<string, { value: Tensor; gradient: Tensor<Float> }>> {
    const { model } = this;
    const target = await this.target();
    const { value, tape } = record(model.parameters.values(), () =>
      model.forward(this.#rows(), { capture: sites, spelledOut: true, logits: 'last' }),
    );
    const { logits, state, captured } = value;
    disposeState(state);
    const names = Object.keys(captured);
    const gradients = scope(() => {
      const seed = oneOf(logits!, target);
      return tape.gradient(
        logits!,
        names.map((name) => captured[name]!),
        { seed, rules },
      );
    });
    tape.dispose();
    logits!.dispose();
    return Object.fromEntries(names.map((name, i) => [name, { value: captured[name]!, gradient: gradients[i]! }]));
  }

  /** The model's biases behind its embeddings, by parameter name. */
  biases(): ReadonlyMap<string, Tensor> {
    // that of the patches' projection is part of the embeddings
    return new Map([...this.model.parameters].filter(([name]) => name.endsWith('bias') && !name.startsWith('patch_embed.')));
  }

  /** Frees all that was computed. */
  async dispose(): Promise<void> {
    (await this.#view?.catch(() => undefined))?.dispose();
    for (const { stream, biases } of this.#gradients.values()) for (const tensor of [...stream, ...biases.values()]) tensor.dispose();
    if (this.#recorded) {
      this.#recorded.tape.dispose();
      for (const tensor of [this.#recorded.logits, ...this.#recorded.stream]) tensor.dispose();
    }
    if (this.#batch) disposeBatch(this.#batch);
  }

  #rows(): Batch {
    return (this.#batch ??= this.model.batch([this.ids]));
  }

  #record(): Recorded {
    if (this.#recorded) return this.#recorded;
    const { model, length } = this;
    if (length > longText) {
      checkFits(
        model.device,
        `the gradients of ${length} positions`,
        length * bytesPerPosition(model),
        'Use raw or rollout, which need no gradients, or a shorter input',
      );
    }
    const names = ['embeddings', ...Array.from({ length: model.config.layers }, (_, layer) => `layers.${layer}.output`)];
    const { value, tape } = record(model.parameters.values(), () =>
      model.forward(this.#rows(), { capture: names, spelledOut: true, logits: 'last' }),
    );
    disposeState(value.state);
    return (this.#recorded = { tape, logits: value.logits!, stream: names.map((name) => value.captured[name]!) });
  }
}

/** A tensor like the logits: 1 at one of them. */
function oneOf(logits: Tensor, target: number): Tensor<Float> {
  const ones = Float32Array.from({ length: logits.size }, (_, id) => (id === target ? 1 : 0));
  return Tensor.from(ones, logits.shape, logits.device);
}
