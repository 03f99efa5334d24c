import { disposeState, type Model } from '@hidden-attention/model';
import { scope, type Tensor } from '@hidden-attention/tensor';
import { batchOfImages, type ImageInput } from './image.js';

/** Shares of all answers: softmax of logits, in float64. */
export function probabilities(logits: ArrayLike<number>): Float64Array {
  const largest = Array.from(logits).reduce((a, b) => Math.max(a, b), -Infinity);
  const shares = Float64Array.from(logits, (logit) => Math.exp(logit - largest));
  const total = shares.reduce((sum, share) => sum + share, 0);
  return shares.map((share) => share / total);
}

/** The number of the largest logit; of equals the first. */
export function largestOf(logits: ArrayLike<number>): number {
  let best = 0;
  for (let id = 1; id < logits.length; id++) if (logits[id]! > logits[best]!) best = id;
  return best;
}

/** At most this many positions are run at once. */
export const positionsAtOnce = 16384;

/**
 * The logits of each text's answer: of a classifier, or of a language model at each text's last position, or at its last few
 * (`count`), one after another. Short texts are run in batches, long ones in pieces: memory does not grow with their number or length.
 */
export async function answers(model: Model, texts: readonly Int32Array[], count = 1): Promise<Float32Array[]> {
  const results: Float32Array[] = [];
  if (count > 1) {
    for (const text of texts) results.push(await lastAnswers(model, text, count));
    return results;
  }
  for (let from = 0; from < texts.length;) {
    let to = from + 1;
    let longest = texts[from]!.length;
    while (to < texts.length && (to + 1 - from) * Math.max(longest, texts[to]!.length) <= positionsAtOnce)
      longest = Math.max(longest, texts[to++]!.length);
    results.push(
      ...(longest > positionsAtOnce ? [await answerInPieces(model, texts[from]!)] : await answerBatch(model, texts.slice(from, to))),
    );
    from = to;
  }
  return results;
}

async function answerBatch(model: Model, texts: readonly Int32Array[]): Promise<Float32Array[]> {
  const batch = model.batch(texts);
  const { logits, state } = model.forward(batch, { logits: 'last' });
  disposeState(state);
  batch.ids.dispose();
  batch.lengthsTensor?.dispose();
  const all = await logits!.read();
  logits!.dispose();
  const each = all.length / texts.length;
  return texts.map((_, row) => all.slice(row * each, (row + 1) * each));
}

/** The logits at the last `count` positions of a text, one after another. */
async function lastAnswers(model: Model, text: Int32Array, count: number): Promise<Float32Array> {
  let state = model.initialState(1);
  const cuts = [0];
  while (text.length - count > cuts.at(-1)!) cuts.push(Math.min(text.length - count, cuts.at(-1)! + positionsAtOnce));
  let logits: Tensor | undefined;
  for (const [at, start] of cuts.entries()) {
    const last = at === cuts.length - 1;
    const result = scope(() => model.forward(model.batch([text.subarray(start, cuts[at + 1])]), { state, logits: last ? 'all' : 'none' }));
    disposeState(state);
    ({ state, logits } = { state: result.state, logits: result.logits });
  }
  disposeState(state);
  const numbers = Float32Array.from(await logits!.read());
  logits!.dispose();
  return numbers;
}

/** The last piece's logits; where a classifier pools by mean, the mean of the pieces' logits, weighted by their lengths: its head is linear. */
async function answerInPieces(model: Model, text: Int32Array): Promise<Float32Array> {
  const { head } = model.config;
  const pooled = head.kind === 'classifier' && head.pooling === 'mean';
  let state = model.initialState(1);
  let result = new Float32Array();
  for (let start = 0; start < text.length; start += positionsAtOnce) {
    const piece = text.subarray(start, start + positionsAtOnce);
    const batch = model.batch([piece]);
    const { logits, state: after } = model.forward(batch, { state, logits: 'last' });
    disposeState(state);
    batch.ids.dispose();
    state = after;
    const own = await logits!.read();
    logits!.dispose();
    const sofar = result;
    result = pooled ? own.map((value, id) => (sofar[id] ?? 0) + (value * piece.length) / text.length) : own;
  }
  disposeState(state);
  return result;
}

/** Images run at once. */
const imagesAtOnce = 64;

/** The logits of each image's answer. */
export async function imageAnswers(model: Model, images: readonly ImageInput[]): Promise<Float32Array[]> {
  const results: Float32Array[] = [];
  for (let from = 0; from < images.length; from += imagesAtOnce) {
    const some = images.slice(from, from + imagesAtOnce);
    using logits = scope(() => model.forward(batchOfImages(model, some)).logits!);
    const all = await logits.read();
    const each = all.length / some.length;
    results.push(...some.map((_, row) => all.slice(row * each, (row + 1) * each)));
  }
  return results;
}
