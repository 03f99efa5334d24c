import { disposeState, type Model, type ModelState } from '@hidden-attention/model';
import { scope } from '@hidden-attention/tensor';
import { advance } from './advance.js';
import { Decoder } from './decoder.js';
import type { GenerateOptions } from './options.js';
import { Row, type GeneratedToken } from './row.js';

/** Ids that the end of a text and an earlier place must have in common: the most that is looked for, and the least that counts. */
const suffix = { most: 4, least: 2 };

/** What followed, where the last ids of a text stood before: the latest such place, for as many ids as agree. */
export function guess(text: readonly number[], most: number): number[] {
  for (let length = suffix.most; length >= suffix.least; length--) {
    const end = text.length - length;
    for (let at = end - 1; at >= 0; at--) {
      let same = 0;
      while (same < length && text[at + same] === text[end + same]) same++;
      if (same === length) return text.slice(at + length, at + length + most);
    }
  }
  return [];
}

/**
 * `generate` of one row that guesses ahead: where the last ids stood before, in the prompt or in what came after it, what followed there
 * is read together with the newest id, in one pass of the scan, and kept as far as it is what the row would have chosen (prompt lookup,
 * Saxena 2023; verified as in Leviathan, Kalman and Matias 2023). Tokens, texts and random draws are those of a row that does not guess,
 * up to the rounding of a scan against a step. It pays where a step is bound by reading the weights, and a pass over a few ids costs little
 * more; the recorded step of a model of a few million weights is quicker than any pass.
 */
export async function* speculate(model: Model, prompt: readonly number[], options: GenerateOptions): AsyncGenerator<GeneratedToken, void> {
  const { signal, maxTokens, speculate: most = 0 } = options;
  const row = new Row(0, model, prompt, options);
  const text = [...prompt];
  let { logits, state } = await advance(model, [prompt], undefined, signal);
  let decoder: Decoder | undefined;
  try {
    let width = most;
    let [pause, left] = [0, 0]; // after guesses that were all wrong: tokens to make without one, and how many of them are left
    let token = row.next(logits[0]!);
    yield token;
    while (!token.finished) {
      signal?.throwIfAborted();
      text.push(token.id);
      const room = prompt.length + maxTokens - text.length - 1;
      const ahead = left > 0 ? [] : guess(text, Math.min(width, room));
      if (ahead.length === 0) {
        left = Math.max(0, left - 1);
        decoder ??= new Decoder(model, state);
        [token] = [row.next((await decoder.step([token.id]))[0]!)];
        yield token;
        continue;
      }
      if (decoder) state = decoder.release();
      decoder = undefined;
      const chunk = [token.id, ...ahead];
      const pass = await readAll(model, chunk, state);
      let right = 0; // ids of the chunk that the text goes on with
      try {
        do {
          token = row.next(pass.logits[right]!);
          right++;
          yield token;
          if (right < chunk.length && token.id === chunk[right] && !token.finished) text.push(token.id);
          else break;
        } while (right < chunk.length);
        if (token.finished) return;
        const before = state;
        state = right === chunk.length ? pass.state : (await advance(model, [chunk.slice(0, right)], before, signal)).state;
        disposeState(before);
      } finally {
        if (state !== pass.state) disposeState(pass.state);
      }
      width = right === chunk.length ? Math.min(2 * width, most) : Math.max(right, 2);
      pause = right > 1 ? 0 : Math.min(2 * pause + 1, 31);
      left = pause;
    }
  } finally {
    if (decoder) decoder.dispose();
    else disposeState(state);
  }
}

/** The logits after each of some further ids (v), and the state after all of them. */
async function readAll(model: Model, ids: readonly number[], state: ModelState): Promise<{ logits: Float32Array[]; state: ModelState }> {
  const next = scope(() => {
    const result = model.stepChunk([ids], state);
    return { logits: result.logits!, state: result.state };
  });
  try {
    const all = await next.logits.read();
    const size = all.length / ids.length;
    return { logits: ids.map((_, at) => all.subarray(at * size, (at + 1) * size) as Float32Array), state: next.state };
  } catch (error) {
    disposeState(next.state);
    throw error;
  } finally {
    next.logits.dispose();
  }
}
