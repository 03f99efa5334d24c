import { Question, type Relevance } from '@hidden-attention/explain';
import { disposeBatch, disposeState, selectRows, type Model } from '@hidden-attention/model';
import type { Case, Explained, MapRequest, RemovalOptions } from '../case.js';
import { EvaluateError } from '../errors.js';
import type { Example } from '../example.js';
import type { Ranker } from '../ranker.js';
import { largestAt } from '../ranking.js';
import { randomFor } from '../random.js';

/** A question of multiple choice for a language model: which of some texts, all of the same length, goes on from the context. */
export interface Choices {
  index: number;
  context: Int32Array;
  choices: readonly Int32Array[];
  /** number of the right one */
  right: number;
  /** words of the context: lists of positions */
  units: readonly (readonly number[])[];
  /** put in place of what is removed */
  unknown: number;
  /** what stands before a choice where its own probability is asked for */
  neutral: Int32Array;
}

/**
 * Such a question as a case that protocols measure. Its logits, one a choice, are log p(choice | context) − log p(choice | nothing but a neutral beginning): what the
 * context does for each choice. Maps explain the sum of the logits of the chosen text's tokens, and have the context's positions.
 */
export class ChoiceCase implements Case {
  readonly example: Example;
  readonly units: readonly (readonly number[])[];
  readonly free: readonly number[];
  readonly truth = undefined;
  readonly grid = undefined;
  readonly pixels = undefined;
  readonly others: readonly Ranker[] = [];
  #logits: Promise<Float32Array> | undefined;
  readonly #known = new Map<string, Float64Array>();
  readonly #maps = new Map<number, Promise<Relevance>>();

  constructor(
    readonly model: Model,
    readonly question: Choices,
    readonly ranker: Ranker,
    readonly seed: number,
  ) {
    const { index, context, right, units, unknown } = question;
    this.example = { index, ids: context, label: right, units, unknown };
    this.units = units;
    this.free = [...units.keys()];
  }

  logits(): Promise<Float32Array> {
    return (this.#logits ??= this.answersWithout([[]], { fill: 'unknown' }).then(([logits]) => logits!));
  }

  async target(explained: Explained): Promise<number> {
    if (typeof explained === 'number') return explained;
    return explained === 'label' ? this.question.right : largestAt(await this.logits());
  }

  async map({ explained = 'predicted' }: MapRequest = {}): Promise<Relevance> {
    const target = await this.target(explained);
    const known = this.#maps.get(target);
    if (known) return known;
    const made = this.#explain(target);
    this.#maps.set(target, made);
    return made;
  }

  async unitScores(request?: MapRequest): Promise<Float64Array> {
    const { scores } = await this.map(request);
    return Float64Array.from(this.units, (own) => own.reduce((sum, position) => sum + scores[position]!, 0));
  }

  async pixelScores(): Promise<Float64Array> {
    throw new EvaluateError('a text has no pixels');
  }

  async answersWithout(without: readonly (readonly number[])[], _options: RemovalOptions): Promise<Float32Array[]> {
    const { context, unknown } = this.question;
    const contexts = without.map((units) => {
      const gone = new Set(units.flatMap((unit) => this.units[unit]!));
      return context.map((id, at) => (gone.has(at) ? unknown : id));
    });
    const [alone] = (await this.#logProbabilities([this.question.neutral])) as [Float64Array];
    const all = await this.#logProbabilities(contexts);
    return all.map((own) => Float32Array.from(own, (value, choice) => value - alone[choice]!));
  }

  async variant(): Promise<Model> {
    throw new EvaluateError('questions of multiple choice are asked of one model');
  }

  async #explain(target: number): Promise<Relevance> {
    const { ranker, question, seed, model } = this;
    const { context, choices, index } = question;
    if (!ranker.explainer) {
      const random = randomFor('random map', 'cloze', index, seed, target);
      return { scores: Float64Array.from(context, () => random()) };
    }
    const text = Int32Array.from([...context, ...choices[target]!]);
    const asked = new Question(model, text, { start: context.length, end: text.length });
    try {
      return await ranker.explainer.explain(asked, ranker.options ?? {});
    } finally {
      await asked.dispose();
    }
  }

  /** log p(choice | context), by context and choice; those that were asked for before are not computed again. */
  async #logProbabilities(contexts: readonly Int32Array[]): Promise<Float64Array[]> {
    const missing = new Map(contexts.map((context) => [context.join(), context]));
    for (const key of this.#known.keys()) missing.delete(key);
    const found = missing.size > 0 ? await this.#read([...missing.values()]) : [];
    [...missing.keys()].forEach((key, at) => this.#known.set(key, found[at]!));
    return contexts.map((context) => this.#known.get(context.join())!);
  }

  /** Each context is read once, and each choice from the state after it. */
  async #read(contexts: readonly Int32Array[]): Promise<Float64Array[]> {
    const { model } = this;
    const { choices } = this.question;
    const batch = model.batch(contexts);
    const read = model.forward(batch, { logits: 'last' });
    disposeBatch(batch);
    const first = (await read.logits!.read()) as Float32Array;
    read.logits!.dispose();
    const states = selectRows(
      read.state,
      contexts.flatMap((_, row) => choices.map(() => row)),
    );
    disposeState(read.state);
    const rest = model.batch(contexts.flatMap(() => choices.map((choice) => choice.subarray(0, -1))));
    const { logits, state } = model.forward(rest, { state: states, logits: 'all' });
    disposeBatch(rest);
    disposeState(states);
    disposeState(state);
    const after = (await logits!.read()) as Float32Array;
    logits!.dispose();
    const vocab = first.length / contexts.length;
    const length = choices[0]!.length;
    return contexts.map((_, row) =>
      Float64Array.from(choices, (choice, c) => {
        const start = (row * choices.length + c) * (length - 1);
        let sum = logProbability(first.subarray(row * vocab, (row + 1) * vocab), choice[0]!);
        for (let at = 1; at < length; at++)
          sum += logProbability(after.subarray((start + at - 1) * vocab, (start + at) * vocab), choice[at]!);
        return sum;
      }),
    );
  }
}

function logProbability(logits: Float32Array, id: number): number {
  let largest = -Infinity;
  for (const logit of logits) largest = Math.max(largest, logit);
  let total = 0;
  for (const logit of logits) total += Math.exp(logit - largest);
  return logits[id]! - largest - Math.log(total);
}
