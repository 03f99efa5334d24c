import type { Token } from './tokens.js';

/** A stretch of the text (UTF-16 offsets, end exclusive) and the tokens that belong to it. */
export interface Group {
  start: number;
  end: number;
  /** token numbers, ascending; each token of a text belongs to one group */
  tokens: number[];
}

/**
 * A text's words or sentences (Unicode rules, Intl.Segmenter), and the tokens of each. Every token belongs to exactly one: the one
 * its first character that is not a space lies in, or the one before it (spaces and punctuation after a word count to the
 * word). Groups without a token are left out. Of a text in symbols, each token of which stands between spaces ("[MAX 2 1 ]"), the
 * symbols are the words.
 * @param locale for the rules of the language; default those of the machine
 */
export function groupTokens(text: string, tokens: readonly Token[], by: 'word' | 'sentence', locale?: string): Group[] {
  if (by === 'word' && inSymbols(text, tokens)) return tokens.map(({ start, end }, number) => ({ start, end, tokens: [number] }));
  const segments = [...new Intl.Segmenter(locale, { granularity: by }).segment(text)].filter(({ segment }) => segment.trim() !== '');
  const words = segments.filter(({ isWordLike }) => by === 'sentence' || isWordLike);
  const kept = words.length > 0 ? words : segments;
  const groups = kept.map(({ index, segment }): Group => ({ start: index, end: index + segment.trimEnd().length, tokens: [] }));
  if (groups.length === 0) return tokens.length > 0 ? [{ start: 0, end: text.length, tokens: [...tokens.keys()] }] : [];
  for (const [number, { start, end }] of tokens.entries())
    groups[lastStarting(groups, start + leadingSpace(text.slice(start, end)))]!.tokens.push(number);
  return groups.filter((group) => group.tokens.length > 0);
}

/** Sums of scores by group. */
export function sumByGroup(groups: readonly Group[], scores: ArrayLike<number>): { start: number; end: number; score: number }[] {
  return groups.map(({ start, end, tokens }) => ({ start, end, score: tokens.reduce((sum, token) => sum + (scores[token] ?? 0), 0) }));
}

/** Whether every token is a run of characters between spaces, and some are no words of a language. */
function inSymbols(text: string, tokens: readonly Token[]): boolean {
  const space = (at: number): boolean => at < 0 || at >= text.length || /\s/.test(text[at]!);
  const apart = tokens.every(({ start, end }) => start < end && !/\s/.test(text.slice(start, end)) && space(start - 1) && space(end));
  return apart && tokens.some(({ start, end }) => !/[\p{L}\p{N}]/u.test(text.slice(start, end)));
}

function leadingSpace(text: string): number {
  return text.trim() === '' ? 0 : text.length - text.trimStart().length;
}

/** The last group that starts at or before `place`; the first one if none does. */
function lastStarting(groups: readonly Group[], place: number): number {
  let low = 0;
  let high = groups.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (groups[middle]!.start <= place) low = middle;
    else high = middle - 1;
  }
  return low;
}
