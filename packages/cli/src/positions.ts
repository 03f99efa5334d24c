import { isImages, type Batch } from '@hidden-attention/model';
import { UsageError } from './errors.js';
import { parsePosition, parseRanges } from './ranges.js';

/** One position: a number (negative from the end), or of an image its class token, or a patch by row and column, counted from 1. */
export type Place = number | 'class' | { row: number; column: number };

/**
 * Reads a position: a whole number, `last`, `class`, or `patch:ROW,COLUMN` as pictures number them.
 * @throws UsageError naming the flag, for anything else
 */
export function parsePlace(flag: string, text: string): Place {
  if (text === 'class') return text;
  if (!text.startsWith('patch:')) return parsePosition(flag, text);
  const [, row, column] = /^patch:([1-9]\d*),([1-9]\d*)$/.exec(text) ?? [];
  if (row === undefined) throw new UsageError(`${flag}: "${text}" names no patch; write its row and column, counted from 1: patch:2,5`);
  return { row: Number(row), column: Number(column) };
}

/**
 * Where that is among the positions of a batch.
 * @throws Error for a class token or patch that the input does not have, with what it has
 */
export function findPlace(flag: string, place: Place, batch: Batch): number {
  if (typeof place === 'number') return place;
  if (!isImages(batch)) throw new Error(`${flag}: class and patch: are of images, and the input is text; give a position by number`);
  const { grid, classPositions } = batch;
  if (place === 'class') {
    if (classPositions.length === 1) return classPositions[0]!;
    throw new Error(
      classPositions.length === 0
        ? `${flag} class: the model has no class token, its answer is the mean over all patches; give a patch, patch:ROW,COLUMN`
        : `${flag} class: the model has class tokens at positions ${classPositions.join(' and ')}; give one of them by number`,
    );
  }
  const { row, column } = place;
  if (row > grid[0] || column > grid[1])
    throw new Error(`${flag}: patch ${row},${column} does not exist; the image has ${grid[0]} rows of ${grid[1]} patches`);
  const patch = (row - 1) * grid[1] + column - 1;
  return classPositions.reduce((position, own) => (own <= position ? position + 1 : position), patch);
}

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
