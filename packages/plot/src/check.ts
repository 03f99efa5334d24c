import { max, quantile } from 'd3-array';

/**
 * Refuses scores that cannot be drawn: NaN, ±∞, and negative ones in an unsigned map.
 * `where` opens the message (`tokenStrip: scores`); the index of the first offender is named.
 */
export function checkScores(where: string, scores: ArrayLike<number>, signed: boolean): void {
  for (let index = 0; index < scores.length; index++) {
    const score = scores[index]!;
    if (!Number.isFinite(score)) throw new RangeError(`${where}[${index}] is ${score}; every score must be a finite number`);
    if (!signed && score < 0) throw new RangeError(`${where}[${index}] is ${score}, but the map is declared unsigned; pass signed: true`);
  }
}

/** Refuses spans outside the text (UTF-16 offsets), of negative length or not in text order. */
export function checkSpans(where: string, spans: readonly { start: number; end: number }[], text: string): void {
  let previous = 0;
  spans.forEach(({ start, end }, index) => {
    if (!Number.isInteger(start) || !Number.isInteger(end) || start < 0 || end < start || end > text.length) {
      const need = `0 ≤ start ≤ end ≤ ${text.length}, in UTF-16 code units`;
      throw new RangeError(`${where}[${index}] is [${start}, ${end}); it needs ${need}`);
    }
    if (start < previous)
      throw new RangeError(`${where}[${index}] starts at ${start}, before the one ahead of it (${previous}); give them in text order`);
    previous = start;
  });
}

/** Refuses overlapping spans; for words and sentences, which (unlike the bytes of one character) never share text. */
export function checkApart(where: string, spans: readonly { start: number; end: number }[]): void {
  spans.forEach((span, index) => {
    const before = spans[index - 1];
    if (before && span.start < before.end)
      throw new RangeError(`${where}[${index}] starts at ${span.start}, inside the one ahead of it (ends at ${before.end})`);
  });
}

/**
 * The score that gets the full colour: `limit` if given (must be > 0), else the largest |score|, else 1 where all are zero.
 */
export function colorLimit(where: string, scores: ArrayLike<number>, limit?: number): number {
  if (limit === undefined) {
    let largest = 0;
    for (let index = 0; index < scores.length; index++) largest = Math.max(largest, Math.abs(scores[index]!));
    return largest || 1;
  }
  if (!(limit > 0 && Number.isFinite(limit))) throw new RangeError(`${where}: limit is ${limit}; it needs a finite number above 0`);
  return limit;
}

/**
 * A limit that one outlying score cannot take over (rollouts give the last token most of the weight): the 99th percentile of
 * |score|, or the largest where that percentile is zero. Scores beyond it get the full colour.
 */
export function robustLimit(scores: ArrayLike<number>): number {
  const sizes = Array.from(scores, Math.abs);
  return quantile(sizes, 0.99) || max(sizes) || 1;
}
