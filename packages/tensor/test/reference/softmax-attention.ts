// Softmax attention in float64, by its definition.
import { array, type HostArray } from '../support.js';

export interface AttentionSettings {
  causal: boolean;
  scale: number;
  lengths?: readonly number[] | undefined;
}

/** The probabilities (b h i j) of q (b i h p) and k (b j h p). */
export function probabilities(q: HostArray, k: HostArray, { causal, scale, lengths }: AttentionSettings): HostArray {
  const [batch, queries, heads, width] = q.shape as [number, number, number, number];
  const keys = k.shape[1]!;
  const result = array([batch, heads, queries, keys]);
  for (let b = 0; b < batch; b++)
    for (let h = 0; h < heads; h++)
      for (let i = 0; i < queries; i++) {
        const seen = Math.min(lengths?.[b] ?? keys, causal ? i + keys - queries + 1 : keys);
        const weights = Array.from({ length: Math.max(0, seen) }, (_, j) => {
          let score = 0;
          for (let c = 0; c < width; c++)
            score += q.data[((b * queries + i) * heads + h) * width + c]! * k.data[((b * keys + j) * heads + h) * width + c]!;
          return Math.exp(scale * score);
        });
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        weights.forEach((weight, j) => (result.data[((b * heads + h) * queries + i) * keys + j] = weight / total));
      }
  return result;
}

/** y (b i h p) of probabilities (b h i j) and v (b j h p). */
export function applied(p: HostArray, v: HostArray): HostArray {
  const [batch, heads, queries, keys] = p.shape as [number, number, number, number];
  const width = v.shape[3]!;
  return array([batch, queries, heads, width], (index) => {
    const c = index % width;
    const h = Math.floor(index / width) % heads;
    const i = Math.floor(index / width / heads) % queries;
    const b = Math.floor(index / width / heads / queries);
    let sum = 0;
    for (let j = 0; j < keys; j++)
      sum += p.data[((b * heads + h) * queries + i) * keys + j]! * v.data[((b * keys + j) * heads + h) * width + c]!;
    return sum;
  });
}
