import type { Model } from '@hidden-attention/model';

/** Shares of all answers: softmax of logits, in float64. */
export function probabilities(logits: ArrayLike<number>): Float64Array {
  const largest = Array.from(logits).reduce((a, b) => Math.max(a, b), -Infinity);
  const shares = Float64Array.from(logits, (logit) => Math.exp(logit - largest));
  const total = shares.reduce((sum, share) => sum + share, 0);
  return shares.map((share) => share / total);
}

/** At most this many positions are run at once. */
const positionsAtOnce = 65536;

/**
 * The logits of each text's answer (of a classifier, or of a language model at each text's last position), texts of any lengths
 * run in batches.
 */
export async function answers(model: Model, texts: readonly Int32Array[]): Promise<Float32Array[]> {
  const results: Float32Array[] = [];
  for (let from = 0; from < texts.length; ) {
    let to = from + 1;
    let longest = texts[from]!.length;
    while (to < texts.length && (to + 1 - from) * Math.max(longest, texts[to]!.length) <= positionsAtOnce) longest = Math.max(longest, texts[to++]!.length);
    const batch = model.batch(texts.slice(from, to));
    const { logits, state } = model.forward(batch, { logits: 'last' });
    const all = await logits!.read();
    const each = all.length / (to - from);
    for (let row = 0; row < to - from; row++) results.push(all.slice(row * each, (row + 1) * each));
    const used = [logits, batch.ids, batch.lengthsTensor, ...state.layers.flatMap(({ scan, conv }) => [scan, conv])];
    for (const tensor of used) tensor?.dispose();
    from = to;
  }
  return results;
}
