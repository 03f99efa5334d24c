import type { LogitsOption, Model } from '@hidden-attention/model';
import { record, scope, Tensor, type Float } from '@hidden-attention/tensor';
import { probabilities } from './answer.js';
import { ExplainError } from './errors.js';
import { answersOf, checkTarget } from './target.js';

/** The difference of two logits: why `id` rather than `against`. */
export interface Contrast {
  /** default: the answer with the largest logit */
  id?: number;
  against: number;
}

/** A language model's own reading of its text: the sum of the logits of tokens start…end−1, each at the position before it. */
export interface TokenSpan {
  start: number;
  end: number;
}

/** A number (1) made of an answer's logits (answers), by ops that have gradients. */
export type ScoreFunction = (logits: Tensor) => Tensor;

/** What is explained: the logit of a class or token, the difference of two, the sum over a span of the text, or a function of the logits. */
export type Target = number | Contrast | TokenSpan | ScoreFunction;

/** The explained number as the logits give it. */
export interface Objective {
  kind: 'logit' | 'contrast' | 'span' | 'function';
  /** the class or token that is named: of a span its last token, of a function the most probable one */
  id: number;
  against?: number;
  span?: TokenSpan;
  /** which logits it is made of */
  reads: LogitsOption;
  /** of one row's logits */
  value(logits: Float32Array): Promise<number>;
  /** of one row's logits: that of the named answer, of the tokens of a span together */
  probability(logits: Float32Array): number;
  /** its gradient with respect to the logits of some rows: (b answers) or (b n answers), the same shape */
  seed(logits: Tensor): Promise<Tensor<Float>>;
}

/** Whether a target is a span of the text. */
export const isSpan = (target: Target | undefined): target is TokenSpan => typeof target === 'object' && 'start' in target;

/**
 * @param ids the whole text
 * @param best the number of the answer with the largest logit
 * @throws ExplainError for an answer or a span that does not exist, or a contrast of an answer with itself
 */
export async function objectiveOf(
  model: Model,
  target: Target | undefined,
  ids: Int32Array,
  best: () => Promise<number>,
): Promise<Objective> {
  if (typeof target === 'function') return ofFunction(target, await best());
  if (isSpan(target)) return ofSpan(model, target, ids);
  if (typeof target === 'object') {
    const id = target.id ?? (await best());
    checkTarget(id, model);
    checkTarget(target.against, model);
    if (id === target.against)
      throw new ExplainError(`answer ${id} is contrasted with itself, and the difference is always 0; name two answers`);
    return {
      kind: 'contrast',
      id,
      against: target.against,
      ...linear('last', [
        [id, 1],
        [target.against, -1],
      ]),
      probability: (logits) => probabilities(logits)[id]!,
    };
  }
  const id = target ?? (await best());
  return { kind: 'logit', id, ...linear('last', [[id, 1]]), probability: (logits) => probabilities(logits)[id]! };
}

type Reading = Pick<Objective, 'reads' | 'value' | 'seed'>;

/** Σ weight·logit over some places of a row's logits. */
function linear(reads: LogitsOption, places: readonly (readonly [place: number, weight: number])[]): Reading {
  return {
    reads,
    value: (logits) => Promise.resolve(places.reduce((sum, [place, weight]) => sum + weight * logits[place]!, 0)),
    seed: (logits) => {
      const rows = logits.shape[0]!;
      const numbers = new Float32Array(logits.size);
      for (let row = 0; row < rows; row++) for (const [place, weight] of places) numbers[(row * logits.size) / rows + place]! += weight;
      return Promise.resolve(Tensor.from(numbers, logits.shape, logits.device));
    },
  };
}

/** @throws ExplainError for a span without tokens, or outside of the text */
export function checkSpan(model: Model, { start, end }: TokenSpan, length: number): void {
  if (model.config.head.kind !== 'language-model')
    throw new ExplainError(`a span (${start} to ${end}) was given; a classifier answers about the whole text, so leave it out`);
  if (Number.isInteger(start) && Number.isInteger(end) && start >= 1 && end > start && end <= length) return;
  throw new ExplainError(
    `the span of tokens ${start} to ${end} (end exclusive) does not exist; the text has tokens 0 to ${length - 1}, and the first has nothing before it: spans lie in 1 to ${length}`,
  );
}

function ofSpan(model: Model, span: TokenSpan, ids: Int32Array): Objective {
  checkSpan(model, span, ids.length);
  const answers = answersOf(model);
  const tokens = [...ids.subarray(span.start, span.end)];
  const reads = { start: span.start - 1, end: span.end - 1 };
  return {
    kind: 'span',
    id: tokens.at(-1)!,
    span,
    ...linear(
      reads,
      tokens.map((token, at) => [at * answers + token, 1] as const),
    ),
    probability: (logits) =>
      tokens.reduce((product, token, at) => product * probabilities(logits.subarray(at * answers, (at + 1) * answers))[token]!, 1),
  };
}

function ofFunction(score: ScoreFunction, best: number): Objective {
  const checked = (logits: Tensor): Tensor => {
    const value = score(logits);
    if (!(value instanceof Tensor) || value.size !== 1) {
      const seen = value instanceof Tensor ? `a tensor of ${value.size} numbers` : `${typeof value}`;
      throw new ExplainError(`the target function gave ${seen}; it must make one number of the ${logits.size} logits, as a tensor (1)`);
    }
    return value;
  };
  return {
    kind: 'function',
    id: best,
    reads: 'last',
    probability: (logits) => probabilities(logits)[best]!,
    value: async (logits) => {
      const value = scope(() => checked(Tensor.from(logits, [logits.length])));
      const number = await value.item();
      value.dispose();
      return number;
    },
    seed: async (logits) => {
      const [rows, answers] = logits.shape as [number, number];
      const all = Float32Array.from(await logits.read());
      const numbers = new Float32Array(logits.size);
      for (let row = 0; row < rows; row++) {
        const own = Tensor.from(all.slice(row * answers, (row + 1) * answers), [answers], logits.device);
        const { value, tape } = record([own], () => scope(() => checked(own)));
        const [gradient] = tape.gradient(value, [own]);
        numbers.set(await gradient!.read(), row * answers);
        tape.dispose();
        for (const tensor of [own, value, gradient!]) tensor.dispose();
      }
      return Tensor.from(numbers, logits.shape, logits.device);
    },
  };
}
