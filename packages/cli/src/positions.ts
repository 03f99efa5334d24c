import { UsageError } from './errors.js';
import { parseRanges } from './ranges.js';

/** Positions as a flag names them: numbers and ranges (negative from the end), `last`, or those of the tokens of some words. */
export type PositionList = readonly (number | { words: string })[];

/**
 * Reads a list such as `0,3-5,-2,last`, or `text:some words`.
 * @throws UsageError naming the flag and the part that is none of these
 */
export function parsePositions(flag: string, text: string): PositionList {
  if (text.startsWith('text:')) {
    if (text.length === 5) throw new UsageError(`${flag}: text: names no words; write for example text:prize`);
    return [{ words: text.slice(5) }];
  }
  return text.split(',').flatMap((part) => {
    const one = part.trim();
    if (one === 'last') return [-1];
    if (/^-\d+$/.test(one)) return [Number(one)];
    return parseRanges(flag, one === 'all' ? '"all"' : one) ?? [];
  });
}

/** A row of the input, as far as positions are found in it. */
interface Row {
  length: number;
  text: string | null;
  offsets: readonly (readonly [start: number, end: number])[];
}

/**
 * The numbers of those positions in one row: words stand for the tokens that cover their first appearance in the text.
 * @throws Error for words that the text does not have, or a position that does not exist
 */
export function findPositions(flag: string, list: PositionList, { length, text, offsets }: Row): number[] {
  return list.flatMap((entry) => {
    if (typeof entry === 'number') {
      const found = entry < 0 ? length + entry : entry;
      if (found < 0 || found >= length)
        throw new Error(`${flag}: position ${entry} does not exist; the input has positions 0 to ${length - 1}`);
      return [found];
    }
    const start = text?.indexOf(entry.words) ?? -1;
    if (start < 0)
      throw new Error(
        `${flag}: ${text === null ? 'the input is not text, so' : 'the text does not have the words'} "${entry.words}"${text === null ? ' cannot be found in it' : ''}; give positions by number`,
      );
    const end = start + entry.words.length;
    return [...offsets.keys()].filter((at) => offsets[at]![0] < end && offsets[at]![1] > start);
  });
}
