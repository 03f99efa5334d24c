/** log Σ exp of logits. */
export function logSumExp(logits: Float32Array): number {
  let largest = -Infinity;
  for (const logit of logits) if (logit > largest) largest = logit;
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - largest);
  return largest + Math.log(sum);
}

/** An id and the logarithm of its probability, in nats. */
export interface Alternative {
  id: number;
  logProbability: number;
}

/** The `count` likeliest ids, the likeliest first, of equals the smaller id; before temperature and penalties. */
export function likeliest(logits: Float32Array, count: number): Alternative[] {
  const total = logSumExp(logits);
  const best: Alternative[] = [];
  logits.forEach((logit, id) => {
    if (best.length === count && !(logit - total > best.at(-1)!.logProbability)) return;
    const at = best.findIndex(({ logProbability }) => logit - total > logProbability);
    best.splice(at < 0 ? best.length : at, 0, { id, logProbability: logit - total });
    if (best.length > count) best.pop();
  });
  return best;
}
