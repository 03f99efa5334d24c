import { disposeState, selectRows, type Model, type ModelState } from '@hidden-attention/model';
import { scope, type Tensor } from '@hidden-attention/tensor';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { RunnerError } from './errors.js';
import { checkSampling, sampleToken, type SamplingOptions } from './sample.js';

export interface GenerateOptions extends SamplingOptions {
  /** tokens to add to each row, at most */
  maxTokens: number;
  /** each row draws from a stream of its own, made of the seed and the row's number: the rest of the batch changes nothing */
  seed?: number;
  /** ids that end a row (and are its last token); the model's end-of-sequence ids by default */
  stopIds?: readonly number[];
  /** keep going past the end-of-sequence ids */
  ignoreEos?: boolean;
  /** ends the stream with the signal's reason between two steps */
  signal?: AbortSignal;
}

/** One token added to one row. */
export interface GeneratedToken {
  row: number;
  id: number;
  /** why the row is finished, on its last token */
  finished?: 'stop' | 'length';
}

/**
 * Continues prompts: one pass through the scan reads them (rows may differ in length), then every step is one position of the
 * recurrence, all unfinished rows together. Tokens come as they are made; within a step in the order of the rows.
 * @param prompts ids, at least one a row
 * @throws RunnerError for an option out of range or a model without a language-model head, ModelError for bad ids, before work starts
 */
export function generate(model: Model, prompts: readonly ArrayLike<number>[], options: GenerateOptions): AsyncGenerator<GeneratedToken, void> {
  const { maxTokens, seed = 0 } = options;
  if (model.config.head.kind !== 'language-model') throw new RunnerError('this model is a classifier; generating needs a language-model head');
  if (!Number.isInteger(maxTokens) || maxTokens < 1) throw new RunnerError(`maxTokens is ${maxTokens}; a whole number of at least 1 is needed`);
  if (!Number.isInteger(seed)) throw new RunnerError(`seed is ${seed}; a whole number is needed`);
  checkSampling(options);
  model.batch(prompts).ids.dispose(); // refuses bad prompts now rather than at the first token
  return stream(model, prompts, options);
}

async function* stream(model: Model, prompts: readonly ArrayLike<number>[], options: GenerateOptions): AsyncGenerator<GeneratedToken, void> {
  const { maxTokens, seed = 0, ignoreEos = false, signal } = options;
  const stops = new Set(ignoreEos ? [] : (options.stopIds ?? model.config.endOfSequence));
  const randoms = prompts.map((_, row) => {
    const generator = xoroshiro128plus(Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(row + 1, 0x85ebca6b));
    return () => (generator.next() >>> 0) / 4294967296;
  });
  const seen = prompts.map((prompt) => new Set(Array.from(prompt)));
  let active = prompts.map((_, row) => row);
  let inputs = prompts;
  let state: ModelState | undefined;
  try {
    for (let step = 0; step < maxTokens && active.length > 0; step++) {
      signal?.throwIfAborted();
      const next = advance(model, inputs, state);
      if (state) disposeState(state);
      state = next.state;
      const logits = await next.logits.read();
      next.logits.dispose();
      const going: number[] = [];
      const tokens: GeneratedToken[] = active.map((row, i) => {
        const own = logits.subarray(i * model.config.vocabSize, (i + 1) * model.config.vocabSize);
        const id = sampleToken(own, options, randoms[row]!, seen[row]);
        seen[row]!.add(id);
        const finished = stops.has(id) ? 'stop' : step + 1 === maxTokens ? 'length' : undefined;
        if (!finished) going.push(i);
        return finished ? { row, id, finished } : { row, id };
      });
      yield* tokens;
      if (going.length < active.length && going.length > 0) {
        const all = state;
        state = scope(() => selectRows(all, going));
        disposeState(all);
      }
      inputs = going.map((i) => [tokens[i]!.id]);
      active = going.map((i) => active[i]!);
    }
  } finally {
    if (state) disposeState(state);
  }
}

/** The logits after each row's last id (b v), and the state there. */
function advance(model: Model, rows: readonly ArrayLike<number>[], state: ModelState | undefined): { logits: Tensor<'f32'>; state: ModelState } {
  return scope(() => {
    const result = model.forward(model.batch(rows), { logits: 'last', ...(state ? { state } : {}) });
    return { logits: result.logits!, state: result.state };
  });
}

/** Like `generate`, all at once: the ids added to each row, with the one that ended it. */
export async function generateAll(model: Model, prompts: readonly ArrayLike<number>[], options: GenerateOptions): Promise<number[][]> {
  const rows = prompts.map((): number[] => []);
  for await (const { row, id } of generate(model, prompts, options)) rows[row]!.push(id);
  return rows;
}
