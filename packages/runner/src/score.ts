import { disposeState, selectRows, type Model } from '@hidden-attention/model';
import { crossEntropy, reshape, scope, Tensor } from '@hidden-attention/tensor';
import { advance } from './advance.js';
import { RunnerError } from './errors.js';
import { logSumExp } from './log-probabilities.js';

/** How likely a continuation is, in nats. */
export interface Score {
  /** log p of all its ids together */
  logProbability: number;
  /** of each id */
  tokens: number[];
}

/**
 * log p(continuation | prompt) of several continuations: the prompt is read once, and all of them go on from its state. For a
 * choice among given answers, take the largest; divide by the number of tokens where answers differ much in length.
 * @param prompt ids, at least one
 * @param continuations ids, at least one each
 * @throws RunnerError for a classifier or an empty continuation, ModelError for bad ids
 */
export async function scoreContinuations(
  model: Model,
  prompt: ArrayLike<number>,
  continuations: readonly ArrayLike<number>[],
  options: { signal?: AbortSignal } = {},
): Promise<Score[]> {
  requireLanguageModel(model, 'scoring continuations');
  if (continuations.length === 0) throw new RunnerError('there are no continuations; give at least one');
  scope(() => void model.batch([...continuations, prompt]));
  const { logits, state } = await advance(model, [prompt], undefined, options.signal);
  const first = logits[0]!;
  const total = logSumExp(first);
  const scores = continuations.map((ids): Score => ({ logProbability: 0, tokens: [first[ids[0]!]! - total] }));
  try {
    const longer = continuations.flatMap((ids, i) => (ids.length > 1 ? [i] : []));
    if (longer.length > 0) {
      const losses = scope(() => {
        const rows = longer.map((i) => Array.from(continuations[i]!).slice(0, -1));
        const batch = model.batch(rows);
        const all = model.forward(batch, {
          state: selectRows(
            state,
            longer.map(() => 0),
          ),
        }).logits!; //  (b l v)
        const [count, length, size] = all.shape as [number, number, number];
        const labels = new Int32Array(count * length).fill(-1);
        longer.forEach((i, row) => labels.set(Array.from(continuations[i]!).slice(1), row * length));
        return crossEntropy(reshape(all, [count * length, size]), Tensor.from(labels, [count * length], model.device));
      });
      const numbers = await losses.read();
      losses.dispose();
      const length = numbers.length / longer.length;
      longer.forEach((i, row) => {
        for (let at = 0; at < continuations[i]!.length - 1; at++) scores[i]!.tokens.push(-numbers[row * length + at]!);
      });
    }
  } finally {
    disposeState(state);
  }
  for (const score of scores) score.logProbability = score.tokens.reduce((sum, value) => sum + value, 0);
  return scores;
}

/** How well a model predicts a text. */
export interface Perplexity {
  /** predictions: ids but the first */
  tokens: number;
  /** mean −log p in nats, and e to that */
  loss: number;
  perplexity: number;
}

/** Ids of a pass. */
const piece = 2048;

/**
 * The perplexity of a text of any length: read in pieces, the state carried from each to the next, so that every id is
 * predicted from all before it and memory does not grow.
 * @param ids at least two
 * @throws RunnerError for a classifier or fewer than two ids, ModelError for bad ids
 */
export async function perplexity(
  model: Model,
  ids: ArrayLike<number>,
  options: { signal?: AbortSignal; onProgress?: (done: number, total: number) => void } = {},
): Promise<Perplexity> {
  requireLanguageModel(model, 'perplexity');
  if (ids.length < 2)
    throw new RunnerError(`the text has ${ids.length} ids; at least two are needed: each is predicted from those before it`);
  const all = Array.from(ids);
  scope(() => void model.batch([all]));
  const tokens = all.length - 1;
  let state = model.initialState();
  let sum = 0;
  try {
    for (let start = 0; start < tokens; start += piece) {
      options.signal?.throwIfAborted();
      const end = Math.min(tokens, start + piece);
      const next = scope(() => {
        const result = model.forward(model.batch([all.slice(start, end)]), { state });
        const flat = reshape(result.logits!, [end - start, model.config.vocabSize]);
        return { losses: crossEntropy(flat, Tensor.from(Int32Array.from(all.slice(start + 1, end + 1)))), state: result.state };
      });
      disposeState(state);
      state = next.state;
      sum += (await next.losses.read()).reduce((total, loss) => total + loss, 0);
      next.losses.dispose();
      options.onProgress?.(end, tokens);
    }
  } finally {
    disposeState(state);
  }
  return { tokens, loss: sum / tokens, perplexity: Math.exp(sum / tokens) };
}

function requireLanguageModel(model: Model, what: string): void {
  if (model.config.head.kind !== 'language-model') throw new RunnerError(`the model is a classifier; ${what} needs a language-model head`);
}
