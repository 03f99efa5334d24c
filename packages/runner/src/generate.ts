import { disposeState, selectRows, type Model } from '@hidden-attention/model';
import { scope } from '@hidden-attention/tensor';
import { advance } from './advance.js';
import { Decoder } from './decoder.js';
import { RunnerError } from './errors.js';
import { checkOptions, checkPositions, type GenerateOptions } from './options.js';
import { Row, type GeneratedToken } from './row.js';
import { speculate } from './speculate.js';

/**
 * Continues prompts: the scan reads them (rows may differ in length), then every step is one position of the recurrence, all
 * unfinished rows together. Tokens come as they are made, within a step in the order of the rows; rows that are finished leave
 * the batch. Breaking out of the loop, or the signal, frees everything.
 * @param prompts ids, at least one a row
 * @throws RunnerError for an option out of range or a model without a language-model head, ModelError for bad ids, before work starts
 */
export function generate(
  model: Model,
  prompts: readonly ArrayLike<number>[],
  options: GenerateOptions,
): AsyncGenerator<GeneratedToken, void> {
  checkOptions(model, options);
  if (options.observer && prompts.length !== 1) throw new RunnerError(`an observer follows one row; ${prompts.length} prompts were given`);
  for (const prompt of prompts) checkPositions(model, prompt.length, options.maxTokens - 1);
  scope(() => void model.batch(prompts)); // refuses bad ids now rather than at the first token
  if (options.speculate === undefined) return stream(model, prompts, options);
  if (prompts.length !== 1) throw new RunnerError(`speculate goes ahead of one row; ${prompts.length} prompts were given`);
  if (options.observer) throw new RunnerError('an observer sees every position once; it does not go with speculate');
  return speculate(model, Array.from(prompts[0]!), options);
}

async function* stream(
  model: Model,
  prompts: readonly ArrayLike<number>[],
  options: GenerateOptions,
): AsyncGenerator<GeneratedToken, void> {
  const { signal } = options;
  let rows = prompts.map((prompt, row) => new Row(row, model, Array.from(prompt), options));
  const prefill = await advance(model, prompts, undefined, signal, options.observer);
  let { logits } = prefill;
  let decoder: Decoder | undefined;
  let state = prefill.state;
  try {
    while (rows.length > 0) {
      const tokens = rows.map((row, i) => row.next(logits[i]!));
      yield* tokens;
      const going = rows.flatMap((_, i) => (tokens[i]!.finished ? [] : [i]));
      if (going.length === 0) return;
      signal?.throwIfAborted();
      if (going.length < rows.length) {
        const all = state;
        state = selectRows(all, going);
        if (decoder) decoder.dispose();
        else disposeState(all);
        decoder = undefined;
        rows = going.map((i) => rows[i]!);
      }
      decoder ??= new Decoder(model, state, options.observer);
      logits = await decoder.step(going.map((i) => tokens[i]!.id));
    }
  } finally {
    if (decoder) decoder.dispose();
    else disposeState(state);
  }
}

/** Like `generate`, all at once: the ids added to each row, with the one that ended it. */
export async function generateAll(model: Model, prompts: readonly ArrayLike<number>[], options: GenerateOptions): Promise<number[][]> {
  const rows = prompts.map((): number[] => []);
  for await (const { row, id } of generate(model, prompts, options)) rows[row]!.push(id);
  return rows;
}
