/** The places of scores, highest first (`lowest`: lowest first); ties by place, so that every ranking is one and the same everywhere. */
export function ranked(scores: ArrayLike<number>, first: 'highest' | 'lowest' = 'highest'): number[] {
  const sign = first === 'highest' ? 1 : -1;
  return Array.from(scores, (_, at) => at).sort((a, b) => sign * (scores[b]! - scores[a]!) || a - b);
}

/** How much of a ranking is decided by place: the share of scores that another one equals. */
export function tiedShare(scores: ArrayLike<number>): number {
  const counts = new Map<number, number>();
  for (const score of Array.from(scores)) counts.set(score, (counts.get(score) ?? 0) + 1);
  const tied = [...counts.values()].reduce((sum, count) => sum + (count > 1 ? count : 0), 0);
  return scores.length === 0 ? 0 : tied / scores.length;
}

/** The place of the largest score, the first of several. */
export function largestAt(scores: ArrayLike<number>): number {
  let best = 0;
  for (let at = 1; at < scores.length; at++) if (scores[at]! > scores[best]!) best = at;
  return best;
}

/** Scores moved and stretched to 0…1; all 0 where they are equal. */
export function minMaxed(scores: ArrayLike<number>): Float64Array {
  let [low, high] = [Infinity, -Infinity];
  for (let at = 0; at < scores.length; at++) [low, high] = [Math.min(low, scores[at]!), Math.max(high, scores[at]!)];
  return Float64Array.from(scores, (score) => (high > low ? (score - low) / (high - low) : 0));
}

/**
 * Average precision: Σ (R_n − R_{n−1})·P_n over the thresholds n, from the highest score down, equal scores being one threshold.
 * 0 where nothing is relevant.
 */
export function averagePrecision(scores: ArrayLike<number>, relevant: ArrayLike<number>): number {
  const order = ranked(scores);
  const total = order.reduce((sum, at) => sum + relevant[at]!, 0);
  if (total === 0) return 0;
  let [found, area, recall] = [0, 0, 0];
  order.forEach((at, i) => {
    found += relevant[at]!;
    if (i + 1 < order.length && scores[order[i + 1]!] === scores[at]) return;
    area += (found / total - recall) * (found / (i + 1));
    recall = found / total;
  });
  return area;
}

/** Area under the ROC curve: the share of pairs of a relevant and another place that the scores order rightly, ties counted half. */
export function rocArea(scores: ArrayLike<number>, relevant: ArrayLike<number>): number {
  const order = ranked(scores, 'lowest');
  const positives = order.reduce((sum, at) => sum + relevant[at]!, 0);
  const negatives = order.length - positives;
  if (positives === 0 || negatives === 0) return 0.5;
  let [below, area] = [0, 0];
  for (let i = 0; i < order.length;) {
    let [next, own, others] = [i, 0, 0];
    for (; next < order.length && scores[order[next]!] === scores[order[i]!]; next++) {
      if (relevant[order[next]!]) own++;
      else others++;
    }
    area += own * (below + others / 2);
    below += others;
    i = next;
  }
  return area / (positives * negatives);
}

/** F1 of a choice of places against the relevant ones. */
export function f1(chosen: readonly number[], relevant: ArrayLike<number>): number {
  const hits = chosen.reduce((sum, at) => sum + relevant[at]!, 0);
  let total = 0;
  for (let at = 0; at < relevant.length; at++) total += relevant[at]!;
  return hits === 0 ? 0 : (2 * hits) / (chosen.length + total);
}

/** Area under points of a curve, by trapezoids. */
export function areaUnder(x: readonly number[], y: readonly number[]): number {
  let area = 0;
  for (let i = 1; i < x.length; i++) area += (x[i]! - x[i - 1]!) * ((y[i]! + y[i - 1]!) / 2);
  return area;
}
