import { checkScores, colorLimit } from '../check.js';
import { PALETTE } from '../color.js';
import { scoreText } from '../numbers.js';

/** Patches down and across. */
export type Grid = readonly [rows: number, columns: number];

/** The scores of an image's patches. */
export interface PatchMap {
  readonly grid: Grid;
  /** One a patch, row by row. */
  readonly scores: ArrayLike<number>;
  readonly signed: boolean;
  /** Score that gets the full colour. Default: the largest |score|. Unsigned scores begin to have colour above the smallest of them. */
  readonly limit?: number;
}

/** How thick the full colour is laid on: what lies below it stays to be seen. */
export const THICKEST = 0.85;

/** "row 2, column 5" of a patch, counted from 1. */
export function patchName(patch: number, [, columns]: Grid): string {
  return `row ${Math.floor(patch / columns) + 1}, column ${(patch % columns) + 1}`;
}

/** Refuses a grid without patches. */
export function checkGrid(where: string, [rows, columns]: Grid): void {
  if (!(Number.isInteger(rows) && Number.isInteger(columns) && rows > 0 && columns > 0))
    throw new RangeError(`${where} is ${rows} × ${columns}; it needs whole numbers of at least 1`);
}

/** Refuses a grid without patches, a count that does not match it, and scores that cannot be drawn. `where` opens the message. */
export function checkPatches(where: string, { grid: [rows, columns], scores, signed }: PatchMap): void {
  checkGrid(`${where}: grid`, [rows, columns]);
  if (scores.length !== rows * columns)
    throw new RangeError(`${where}: ${scores.length} scores for ${rows} × ${columns} patches; it needs one per patch`);
  checkScores(`${where}: scores`, scores, signed);
}

/** Where colours begin and where they end. */
export interface Scale {
  /** 0; of unsigned scores the smallest, since all patches of some maps have much the same. */
  readonly low: number;
  readonly limit: number;
  /** Whether some scores lie beyond the limit. */
  readonly clipped: boolean;
}

/** The scale of a map. @throws RangeError if its limit is not above 0. */
export function scaleOf(where: string, { scores, signed, limit: wanted }: PatchMap): Scale {
  const limit = colorLimit(where, scores, wanted);
  const low = signed ? 0 : Array.from(scores).reduce((least, score) => Math.min(least, score), Infinity);
  return { low, limit, clipped: limit < colorLimit(where, scores) };
}

/** Each score as a share of the full colour, −1 to 1. */
export function shares(scores: ArrayLike<number>, { low, limit }: Scale): number[] {
  return Array.from(scores, (score) => (limit > low ? Math.max(-1, Math.min(1, (score - low) / (limit - low))) : 0));
}

/** The colour that is laid on, `#rrggbb`: the end of the palettes of text maps, which shows on dark and on light pictures. */
export function heatColor(share: number, signed: boolean): string {
  const { positive, negative, unsigned } = PALETTE.light;
  return (signed ? (share < 0 ? negative : positive) : unsigned)[1];
}

/** The places that stand out, in words for those who cannot see them. */
export function described({ grid, scores, signed }: PatchMap): string {
  const order = Array.from(scores, (score, patch) => ({ score, patch })).sort((a, b) => b.score - a.score);
  const names = (patches: typeof order): string =>
    patches.map(({ patch, score }) => `${patchName(patch, grid)} (${scoreText(score, signed)})`).join('; ');
  const highest = order.filter(({ score }) => score > 0).slice(0, 3);
  const lowest = order.filter(({ score }) => score < 0).slice(-3);
  if (highest.length + lowest.length === 0) return 'Every score is zero.';
  const parts = [
    ...(highest.length > 0 ? [`Highest: ${names(highest)}.`] : []),
    ...(lowest.length > 0 ? [`Lowest: ${names(lowest.toReversed())}.`] : []),
  ];
  return parts.join(' ');
}
