import { attentionView, audit, auditLong, bytesPerPosition, checkFits, type AttentionView, type Audit } from '@hidden-attention/attention';
import {
  disposeBatch,
  disposeState,
  isImages,
  withExactActivations,
  type Batch,
  type LogitsOption,
  type Model,
  type ModelState,
} from '@hidden-attention/model';
import { firstNotFinite, record, type Float, type RuleSet, type Tape, type Tensor } from '@hidden-attention/tensor';
import { answers, imageAnswers, largestOf } from './answer.js';
import { batchOfImages, type ImageInput } from './image.js';
import { removableOf, type Removable } from './removable.js';
import { checkSpan, isSpan, objectiveOf, type Objective, type Target } from './objective.js';

/** A backward pass from the explained number, under some rules. Tensors belong to the question. */
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
  /** all values captured: the stream, and what the layers' attention is made of */
  captured: Readonly<Record<string, Tensor>>;
  state: ModelState;
}

/** Texts longer than this are audited in pieces, and have their memory estimated before a tape is recorded. */
const longText = 8192;

/**
 * What is to be explained: why this model gives a target this logit (or a difference of two, a sum over a span, a function of them), at
 * one text or image. A language model's text ends at the explained position: what follows cannot matter to a causal model. What methods need (attention, gradients) is computed when first asked
 * for, and then shared by all methods of a call. A model that rounds what its linear layers read (w8a8) is explained with that in f32:
 * everything here, the answer included, is of the model `model`, and only `asRun` of the one that was given.
 */
export class Question {
  /** the model that is explained: the one that was given, unless that rounds what its linear layers read */
  readonly model: Model;
  /** of an image: none */
  readonly ids: Int32Array;
  /** the image that it is about, if it is about one */
  readonly image: ImageInput | undefined;
  /** number of positions: ids, or patches and class tokens */
  readonly length: number;
  /** of an image: positions of its class tokens */
  readonly classPositions: readonly number[];
  /** positions of the parts that the input consists of: all of a text's tokens, the patches of an image */
  readonly parts: readonly number[];
  /** parts that belong together, by their numbers: the words of a text, where it is known as one; else each by itself */
  readonly groups: readonly (readonly number[])[];
  /** weights of the positions that the answer is read from: 1 at one position, or equal shares of several: where a classifier pools by mean, or of a span */
  readonly start: Float64Array;
  /** the position whose output is explained; null where it is a mean of several */
  readonly position: number | null;
  readonly #given: Model;
  #batch: Batch | undefined;
  #asRun: Promise<Float32Array> | undefined;
  #logits: Promise<Float32Array> | undefined;
  #view: Promise<AttentionView> | undefined;
  #audit: Promise<Audit> | undefined;
  #recorded: Recorded | undefined;
  readonly #gradients = new Map<string, Promise<QuestionGradient>>();
  readonly #target: Target | undefined;
  /** the ids as they were given: a span's last token is not read */
  readonly #text: Int32Array;
  #objective: Promise<Objective> | undefined;
  #score: Promise<number> | undefined;

  /**
   * @param input ids of one text, in full or up to the position that is explained; or an image
   * @param target default: the answer with the largest logit
   * @param groups default: each token, or each patch
   * @throws ExplainError for a span that the text does not have
   */
  constructor(given: Model, input: ArrayLike<number> | ImageInput, target?: Target, groups?: readonly (readonly number[])[]) {
    this.#given = given;
    const model = (this.model = withExactActivations(given));
    this.image = 'pixels' in input ? input : undefined;
    this.#text = Int32Array.from('pixels' in input ? [] : input);
    const span = isSpan(target) ? target : undefined;
    if (span) checkSpan(model, span, this.#text.length);
    this.ids = span ? this.#text.slice(0, span.end - 1) : this.#text;
    this.#batch = this.image && batchOfImages(model, [this.image]);
    this.length = this.#batch ? this.#batch.lengths[0]! : this.ids.length;
    this.classPositions = this.#batch && isImages(this.#batch) ? this.#batch.classPositions : [];
    this.#target = target;
    const special = new Set(this.classPositions);
    this.parts = Array.from({ length: this.length }, (_, at) => at).filter((at) => !special.has(at));
    this.groups = groups ?? this.parts.map((_, part) => [part]);
    const { head } = model.config;
    const pooling = head.kind === 'classifier' ? head.pooling : 'last';
    const read = {
      mean: Array.from({ length: this.length }, (_, at) => at),
      last: [this.length - 1],
      'class-token': [...this.classPositions],
    }[pooling].concat(span ? Array.from({ length: span.end - 1 - span.start }, (_, at) => span.start - 1 + at) : []);
    this.position = read.length === 1 ? read[0]! : null;
    this.start = new Float64Array(this.length);
    for (const at of read) this.start[at] = 1 / read.length;
  }

  /** All logits of the answer; of a span those of each of its tokens, one after another. */
  async logits(): Promise<Float32Array> {
    return (this.#logits ??= this.#answer());
  }

  /** As `logits`, of the model as it was given, which may round what its linear layers read. */
  async asRun(): Promise<Float32Array> {
    return this.#given === this.model ? this.logits() : (this.#asRun ??= this.#read(this.#given));
  }

  async #answer(): Promise<Float32Array> {
    if (this.#recorded) return Float32Array.from(await this.#recorded.logits.read()); // the pass that gradients are taken of
    return this.#read(this.model);
  }

  async #read(model: Model): Promise<Float32Array> {
    const count = isSpan(this.#target) ? this.#target.end - this.#target.start : 1;
    const [logits] = await (this.image ? imageAnswers(model, [this.image]) : answers(model, [this.ids], count));
    return logits!;
  }

  /** What is explained. */
  async objective(): Promise<Objective> {
    return (this.#objective ??= objectiveOf(this.model, this.#target, this.#text, async () => largestOf(await this.asRun())));
  }

  /** The explained class or token: the one asked for, else the one with the largest logit as the model is run; of a span its last token. */
  async target(): Promise<number> {
    return (await this.objective()).id;
  }

  /** The explained number: a logit, the difference of two, a sum over a span, or what the target function gives. */
  async score(): Promise<number> {
    return (this.#score ??= this.logits().then(async (logits) => (await this.objective()).value(logits)));
  }

  /**
   * What the explained number becomes without some of the input's parts.
   * @param replaceWith an id to put in place of tokens; default: they are cut out. Patches become black
   */
  async removable(replaceWith?: number): Promise<Removable> {
    const { kind, id, against } = await this.objective();
    const target = kind === 'logit' ? id : kind === 'contrast' ? { id, against: against! } : this.#target!;
    const { model, image } = this;
    return removableOf({
      model,
      target,
      ...(image ? { image } : { ids: this.#text }),
      ...(replaceWith === undefined ? {} : { replaceWith }),
    });
  }

  /** The model's layers as attention. */
  async attention(): Promise<AttentionView> {
    // a recorded pass has seen what the view would run the model for
    const known = this.#recorded ? { captured: this.#recorded.captured } : {};
    return (this.#view ??= attentionView(this.model, this.#rows(), known));
  }

  /** How far the layers are from what their attention says. */
  async audit(): Promise<Audit> {
    return (this.#audit ??= this.length > longText && !this.image ? auditLong(this.model, this.ids) : this.attention().then(audit));
  }

  /** The residual stream: entry k before block k, the last one after the last block; (1 l m) each. */
  stream(): readonly Tensor[] {
    return this.#record().stream;
  }

  /** Gradients of the explained number under some rules (none: the true ones). */
  async gradient(rules: RuleSet = {}): Promise<QuestionGradient> {
    const key = JSON.stringify(Object.entries(rules).sort());
    const known = this.#gradients.get(key);
    if (known) return known;
    const found = this.#backward(rules);
    this.#gradients.set(key, found);
    return found;
  }

  async #backward(rules: RuleSet): Promise<QuestionGradient> {
    const { tape, logits, stream } = this.#record(); // first: which answer is explained can then be read from this pass
    const objective = await this.objective();
    const seed = await objective.seed(logits);
    const biases = this.biases();
    const gradients = tape.gradient(logits, [...stream, ...biases.values()], { seed, rules });
    seed.dispose();
    return {
      stream: gradients.slice(0, stream.length),
      biases: new Map([...biases.keys()].map((name, i) => [name, gradients[stream.length + i]!])),
    };
  }

  /**
   * Values at sites, and the gradients of the explained number with respect to them; new tensors, the caller's to free. It runs the model
   * once more.
   */
  async atSites(sites: readonly string[], rules: RuleSet = {}): Promise<Record<string, { value: Tensor; gradient: Tensor<Float> }>> {
    const { model } = this;
    const objective = await this.objective();
    const { value, tape } = record(model.parameters.values(), () =>
      model.forward(this.#rows(), { capture: sites, spelledOut: true, logits: objective.reads }),
    );
    const { logits, state, captured } = value;
    const names = Object.keys(captured);
    const seed = await objective.seed(logits!);
    const gradients = tape.gradient(
      logits!,
      names.map((name) => captured[name]!),
      { seed, rules },
    );
    tape.dispose();
    const found = Object.fromEntries(names.map((name, i) => [name, { value: captured[name]!.view(), gradient: gradients[i]! }]));
    for (const tensor of [logits!, seed, ...Object.values(captured)]) tensor.dispose();
    disposeState(state); // keys and values may be both captured and part of the state
    return found;
  }

  /** The explained number with other embeddings in place of the input's: (b l m) → one for each row. */
  async scoresAt(embeddings: Tensor): Promise<number[]> {
    const objective = await this.objective();
    const batch = this.#copies(embeddings.shape[0]!);
    const { logits, state } = this.model.forward(batch, { embeddings, logits: objective.reads });
    disposeState(state);
    disposeBatch(batch);
    const numbers = Float32Array.from(await logits!.read());
    logits!.dispose();
    const each = numbers.length / embeddings.shape[0]!;
    return Promise.all(
      Array.from({ length: embeddings.shape[0]! }, (_, row) => objective.value(numbers.subarray(row * each, (row + 1) * each))),
    );
  }

  /** The gradients (true, or under rules) of the explained number at other embeddings (b l m), each row by itself: (b l m). */
  async gradientAt(embeddings: Tensor, rules: RuleSet = {}): Promise<Tensor<Float>> {
    const objective = await this.objective();
    const batch = this.#copies(embeddings.shape[0]!);
    const { value, tape } = record([embeddings], () =>
      this.model.forward(batch, { embeddings, spelledOut: true, logits: objective.reads }),
    );
    disposeState(value.state);
    disposeBatch(batch);
    const seed = await objective.seed(value.logits!);
    const [gradient] = tape.gradient(value.logits!, [embeddings], { seed, rules });
    tape.dispose();
    for (const tensor of [seed, value.logits!]) tensor.dispose();
    return gradient!;
  }

  /**
   * Where a number that is not finite first appears in the model, or in a gradient that was asked for: in words, with the op and the
   * layer; undefined where there is none.
   */
  async notFinite(): Promise<string | undefined> {
    if (!this.#recorded) return undefined;
    const { tape, logits, stream } = this.#recorded;
    const seed = await (await this.objective()).seed(logits);
    const layerOf = (call: number): string => {
      const made = stream.map((tensor) => tape.calls.findIndex(({ call: { outputs } }) => Object.values(outputs).includes(tensor)));
      const before = made.filter((at) => at >= 0 && at < call).length - (made[0] === -1 ? 0 : 1);
      if (before < 0) return 'the embeddings';
      return before >= stream.length - 1 ? 'the head' : `layer ${before}`;
    };
    try {
      for (const key of this.#gradients.keys()) {
        const rules = Object.fromEntries(JSON.parse(key) as [string, string][]);
        const found = await firstNotFinite(tape, logits, [...stream, ...this.biases().values()], { seed, rules });
        if (found) return `the first ${found.in} that is not finite is that of ${found.op} in ${layerOf(found.call)}`;
      }
      return undefined;
    } finally {
      seed.dispose();
    }
  }

  /** The model's biases behind its embeddings, by parameter name. */
  biases(): ReadonlyMap<string, Tensor> {
    // that of the patches' projection is part of the embeddings
    return new Map([...this.model.parameters].filter(([name]) => name.endsWith('bias') && !name.startsWith('patch_embed.')));
  }

  /** Frees all that was computed. */
  async dispose(): Promise<void> {
    (await this.#view?.catch(() => undefined))?.dispose();
    for (const gradient of this.#gradients.values()) {
      const found = await gradient.catch(() => undefined);
      for (const tensor of [...(found?.stream ?? []), ...(found?.biases.values() ?? [])]) tensor.dispose();
    }
    if (this.#recorded) {
      this.#recorded.tape.dispose();
      for (const tensor of [this.#recorded.logits, ...Object.values(this.#recorded.captured)]) tensor.dispose();
      disposeState(this.#recorded.state); // keys and values may be both captured and part of the state
    }
    if (this.#batch) disposeBatch(this.#batch);
    if (this.model !== this.#given) this.model.dispose(); // its views of the parameters
  }

  #rows(): Batch {
    return (this.#batch ??= this.model.batch([this.ids]));
  }

  /** So many copies of the input as one batch. */
  #copies(count: number): Batch {
    if (this.image) return batchOfImages(this.model, new Array<ImageInput>(count).fill(this.image));
    return this.model.batch(new Array<Int32Array>(count).fill(this.ids));
  }

  #reads(): LogitsOption {
    return isSpan(this.#target) ? { start: this.#target.start - 1, end: this.#target.end - 1 } : 'last';
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
    const { family, config } = model;
    const dynamics = Array.from({ length: config.layers }, (_, layer) => family.dynamicsSites(layer, config)).flat();
    const { value, tape } = record(model.parameters.values(), () =>
      model.forward(this.#rows(), { capture: [...names, ...dynamics], spelledOut: true, logits: this.#reads() }),
    );
    const { captured, state } = value;
    return (this.#recorded = { tape, logits: value.logits!, stream: names.map((name) => captured[name]!), captured, state });
  }
}
