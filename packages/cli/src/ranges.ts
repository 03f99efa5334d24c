import { UsageError } from './errors.js';

/**
 * The numbers that a list such as `0,2-3` stands for, in the order given; undefined for `all`.
 * @throws UsageError naming the flag and the part that is not a number or a range
 */
export function parseRanges(flag: string, text: string): number[] | undefined {
  if (text === 'all') return undefined;
  return text.split(',').flatMap((part) => {
    const [, from, to = from] = /^(\d+)(?:-(\d+))?$/.exec(part.trim()) ?? [];
    if (from === undefined || Number(to) < Number(from)) {
      throw new UsageError(`${flag}: "${part}" is not a number or a range; write for example 0,2-3, or all`);
    }
    return Array.from({ length: Number(to) - Number(from) + 1 }, (_, i) => Number(from) + i);
  });
}

/** A position: a whole number (negative from the end), or `last`. */
export function parsePosition(flag: string, text: string): number {
  if (text === 'last') return -1;
  if (!/^-?\d+$/.test(text))
    throw new UsageError(`${flag}: "${text}" is not a position; write a whole number (negative from the end) or last`);
  return Number(text);
}

/** A number that a flag needs, within bounds. */
export function parseNumber(flag: string, text: string, check: { integer?: boolean; minimum?: number; maximum?: number } = {}): number {
  const value = Number(text);
  const { integer = false, minimum = -Infinity, maximum = Infinity } = check;
  if (text.trim() === '' || !Number.isFinite(value) || (integer && !Number.isInteger(value)) || value < minimum || value > maximum) {
    const kind = integer ? 'a whole number' : 'a number';
    const bounds =
      minimum > -Infinity && maximum < Infinity ? ` from ${minimum} to ${maximum}` : minimum > -Infinity ? ` of at least ${minimum}` : '';
    throw new UsageError(`${flag}: "${text}" is not ${kind}${bounds}`);
  }
  return value;
}
