import * as z from '@hidden-attention/model/schema';
import { defineExplainer, type Explainer } from '../explainer.js';
import { gridOf } from '../image.js';
import type { Question } from '../question.js';
import { gameOf, gameOptions, type GameOptions } from './game.js';

export interface OcclusionOptions extends GameOptions {
  /** neighbouring players that are hidden together; of an image the side of a square of patches */
  size: number;
  /** steps from one such window to the next */
  stride: number;
}

/**
 * Occlusion: how much the explained number falls when a part of the input is hidden. With windows of several parts, a part's score is
 * the mean over the windows that hide it of their fall, shared evenly by the window's parts.
 */
export const occlusion: Explainer<OcclusionOptions> = defineExplainer({
  name: 'occlusion',
  title: 'Occlusion',
  summary: "How far the answer's score falls when a piece of the input is taken away; negative means that it rises.",
  cite: 'Zeiler, Fergus: Visualizing and Understanding Convolutional Networks. ECCV 2014, arXiv 1311.2901; for text: Li, Monroe, Jurafsky 2016, arXiv 1612.08220',
  signed: true,
  options: () =>
    z.strictObject({
      ...gameOptions(),
      size: z.coerce.number().int().min(1).default(1),
      stride: z.coerce.number().int().min(1).default(1),
    }),
  supports: () => true,
  async explain(question, options) {
    const windows = (players: number): number[][] => windowsOf(question, players, options);
    const { players, all, values, spread } = await gameOf(question, 'occlusion', options, (count) => windows(count).length + 2);
    const hidden = windows(players.length);
    const left = await values(hidden.map((window) => players.map((_, player) => !window.includes(player))));
    const sums = new Float64Array(players.length);
    const counts = new Float64Array(players.length);
    for (const [index, window] of hidden.entries())
      for (const player of window) {
        sums[player]! += (all - left[index]!) / window.length;
        counts[player]! += 1;
      }
    return { scores: spread(sums.map((sum, player) => (counts[player] === 0 ? 0 : sum / counts[player]!))) };
  },
});

/** Neighbours that are hidden together: stretches of a text, squares of an image. Each player is in one at least. */
function windowsOf({ model, image }: Question, players: number, { size, stride }: OcclusionOptions): number[][] {
  const starts = (count: number): number[] => {
    const last = Math.max(0, count - size);
    const all = Array.from({ length: Math.floor(last / stride) + 1 }, (_, i) => i * stride);
    return all.at(-1) === last ? all : [...all, last];
  };
  const from = (start: number, count: number): number[] => Array.from({ length: Math.min(size, count) }, (_, i) => start + i);
  if (!image) return starts(players).map((start) => from(start, players));
  const [rows, columns] = gridOf(model, image);
  return starts(rows).flatMap((top) =>
    starts(columns).map((left) => from(top, rows).flatMap((row) => from(left, columns).map((column) => row * columns + column))),
  );
}
