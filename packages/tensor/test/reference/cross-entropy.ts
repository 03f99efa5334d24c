// The softmax cross-entropy in float64.
import { array, type HostArray } from '../support.js';

/** Loss of every row; 0 where the label is negative. */
export function crossEntropy({ logits, labels }: Record<string, HostArray>): HostArray {
  const [rows, vocabulary] = logits!.shape as [number, number];
  return array([rows], (r) => {
    const row = Array.from(logits!.data.subarray(r * vocabulary, (r + 1) * vocabulary));
    const label = labels!.data[r]!;
    if (label < 0) return 0;
    const largest = Math.max(...row);
    return largest + Math.log(row.reduce((sum, x) => sum + Math.exp(x - largest), 0)) - row[label]!;
  });
}
