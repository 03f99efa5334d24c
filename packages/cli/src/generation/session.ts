import type { LoadedModel } from '@hidden-attention/checkpoint';
import { createSession, generate, restoreSession, type GeneratedToken, type GenerateOptions } from '@hidden-attention/runner';

/** Where a text goes on from, and where what it led to is kept. */
export interface StateFiles {
  /** a file of `--save-state` */
  state?: string | undefined;
  saveState?: string | undefined;
}

/**
 * `generate`, from a saved state on where one is named, with the state saved at the end where that is asked for: then reading the text
 * before costs nothing another day.
 */
export async function* continued(
  { model }: LoadedModel,
  prompt: readonly number[],
  options: GenerateOptions,
  { state, saveState }: StateFiles,
): AsyncGenerator<GeneratedToken, void> {
  if (state === undefined && saveState === undefined) {
    yield* generate(model, [prompt], options);
    return;
  }
  using session = state === undefined ? createSession(model) : await restoreSession(model, state);
  if (prompt.length > 0) await session.append(prompt, options.signal ? { signal: options.signal } : {});
  yield* session.generate(options);
  if (saveState !== undefined) await session.save(saveState);
}
