import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import * as z from '@hidden-attention/model/schema';
import { defineExplainer, type Explainer } from '../explainer.js';
import { gameOf, gameOptions, type GameOptions } from './game.js';

export interface ShapleySamplingOptions extends GameOptions {
  /** orders in which the players come in; every second is the one before it turned round */
  samples: number;
  seed: number;
}

/**
 * Shapley values by sampling: players come in one after another, in random orders, and each is given by how much the explained number
 * rises when it comes; the mean over orders. Any number of orders adds up exactly.
 */
export const shapleySampling: Explainer<ShapleySamplingOptions> = defineExplainer({
  name: 'shapley-sampling',
  title: 'Shapley sampling',
  summary:
    "How much the answer's score rises when a piece of the input comes in, on average over random orders in which they come. The rises add up to the score less that of an empty input.",
  cite: 'Castro, Gómez, Tejada: Polynomial calculation of the Shapley value based on sampling. Computers & Operations Research 2009; Štrumbelj, Kononenko 2010',
  signed: true,
  options: () =>
    z.strictObject({
      ...gameOptions(),
      samples: z.coerce.number().int().min(1).default(4),
      seed: z.coerce.number().int().default(0),
    }),
  supports: () => true,
  async explain(question, options) {
    const { samples, seed } = options;
    const { players, all, none, values, spread } = await gameOf(
      question,
      'shapley-sampling',
      options,
      (count) => samples * (count - 1) + 2,
    );
    const count = players.length;
    const orders = ordersOf(count, samples, seed);
    const coalitions = orders.flatMap((order) => {
      const inside = new Array<boolean>(count).fill(false);
      return order.slice(0, -1).map((player) => {
        inside[player] = true;
        return [...inside];
      });
    });
    const found = await values(coalitions);
    const sums = new Float64Array(count);
    for (const [index, order] of orders.entries()) {
      let before = none;
      for (const [step, player] of order.entries()) {
        const after = step === count - 1 ? all : found[index * (count - 1) + step]!;
        sums[player]! += (after - before) / samples;
        before = after;
      }
    }
    return { scores: spread(sums), baseline: none };
  },
});

function ordersOf(count: number, samples: number, seed: number): number[][] {
  const generator = xoroshiro128plus(seed);
  const orders: number[][] = [];
  for (let index = 0; index < samples; index++) {
    if (index % 2 === 1) {
      orders.push(orders.at(-1)!.toReversed());
      continue;
    }
    const order = Array.from({ length: count }, (_, player) => player);
    for (let i = count - 1; i > 0; i--) {
      const other = uniformInt(generator, 0, i);
      [order[i], order[other]] = [order[other]!, order[i]!];
    }
    orders.push(order);
  }
  return orders;
}
