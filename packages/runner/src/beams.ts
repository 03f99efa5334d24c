import { disposeState, selectRows, type Model } from '@hidden-attention/model';
import { scope } from '@hidden-attention/tensor';
import { advance } from './advance.js';
import { RunnerError } from './errors.js';
import { checkPositions } from './options.js';
import { likeliest } from './log-probabilities.js';

export interface BeamOptions {
  /** sequences that are kept at each step */
  beams: number;
  /** ids to add, at most */
  maxTokens: number;
  /** a finished sequence's score is log p / length^lengthPenalty; default 1 */
  lengthPenalty?: number;
  /** ids that end a sequence; default the model's */
  endOfSequence?: readonly number[];
  signal?: AbortSignal;
}

/** A continuation that beam search found. */
export interface Beam {
  /** ids added, the one that ended it included */
  ids: number[];
  /** log p of them together, in nats */
  logProbability: number;
  /** what they are ranked by */
  score: number;
}

/**
 * Beam search: at each step the likeliest extensions of the kept sequences go on, their states picked out of the batch. Gives
 * the best sequences found, the best first.
 * @param prompt ids, at least one
 * @throws RunnerError for an option out of range or a classifier, ModelError for bad ids
 */
export async function beamSearch(model: Model, prompt: ArrayLike<number>, options: BeamOptions): Promise<Beam[]> {
  const { beams: width, maxTokens, lengthPenalty = 1, signal } = options;
  for (const [name, value] of Object.entries({ beams: width, maxTokens }))
    if (!Number.isInteger(value) || value < 1) throw new RunnerError(`${name} is ${value}; a whole number of at least 1 is needed`);
  if (model.config.head.kind !== 'language-model')
    throw new RunnerError('the model is a classifier; beam search needs a language-model head');
  checkPositions(model, prompt.length, maxTokens - 1);
  const ends = new Set(options.endOfSequence ?? model.config.endOfSequence);
  const scored = (ids: number[], logProbability: number): Beam => ({
    ids,
    logProbability,
    score: logProbability / ids.length ** lengthPenalty,
  });
  scope(() => void model.batch([prompt]));
  let { logits, state } = await advance(model, [prompt], undefined, signal);
  let open: { ids: number[]; logProbability: number }[] = [{ ids: [], logProbability: 0 }];
  const finished: Beam[] = [];
  try {
    for (let length = 1; ; length++) {
      // twice as many as go on, so that enough are left where some end
      const extended = open
        .flatMap(({ ids, logProbability }, row) =>
          likeliest(logits[row]!, 2 * width).map((next) => ({
            row,
            ids: [...ids, next.id],
            logProbability: logProbability + next.logProbability,
          })),
        )
        .sort((a, b) => b.logProbability - a.logProbability || a.row - b.row);
      const going: typeof extended = [];
      for (const candidate of extended.slice(0, 2 * width)) {
        if (ends.has(candidate.ids.at(-1)!)) finished.push(scored(candidate.ids, candidate.logProbability));
        else if (going.length < width) going.push(candidate);
      }
      finished.sort((a, b) => b.score - a.score).splice(width);
      const best = going[0] && scored(going[0].ids, going[0].logProbability).score;
      const settled = finished.length === width && (best === undefined || best <= finished.at(-1)!.score);
      if (length === maxTokens || settled || going.length === 0) {
        const rest = settled ? [] : going.map(({ ids, logProbability }) => scored(ids, logProbability));
        return [...finished, ...rest].sort((a, b) => b.score - a.score).slice(0, width);
      }
      const before = state;
      const picked = selectRows(
        before,
        going.map(({ row }) => row),
      );
      disposeState(before);
      state = picked;
      ({ logits, state } = await advance(
        model,
        going.map(({ ids }) => [ids.at(-1)!]),
        picked,
        signal,
      ));
      disposeState(picked);
      open = going;
    }
  } finally {
    disposeState(state);
  }
}
