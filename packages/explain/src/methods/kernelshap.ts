import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import type { RandomGenerator } from 'pure-rand/types/RandomGenerator';
import * as z from '@hidden-attention/model/schema';
import { ExplainError } from '../errors.js';
import { defineExplainer, type Explainer } from '../explainer.js';
import { gameOf, gameOptions, type GameOptions } from './game.js';

export interface KernelShapOptions extends GameOptions {
  /** coalitions that are tried; default 2·players + 256, or all where there are no more */
  samples?: number | undefined;
  seed: number;
}

interface Sample {
  coalition: boolean[];
  weight: number;
}

const samplesFor = ({ samples }: Pick<KernelShapOptions, 'samples'>, players: number): number =>
  Math.min(samples ?? 2 * players + 256, players < 31 ? 2 ** players - 2 : Infinity);

/**
 * KernelSHAP: Shapley values as the weighted least-squares fit Σ_S π(S)·(v(S) − v(∅) − Σ_{i∈S} φ_i)², Σφ = v(all) − v(∅),
 * π(S) = (M − 1) / (C(M,|S|)·|S|·(M − |S|)). Over all coalitions where these are few, which gives exact values; else over coalitions
 * drawn by π, each together with its complement.
 */
export const kernelShap: Explainer<KernelShapOptions> = defineExplainer({
  name: 'kernelshap',
  title: 'KernelSHAP',
  summary:
    "Each piece's fair share of the answer's score: what it adds, on average over all ways of showing the model only some of the input. The shares add up to the score less that of an empty input.",
  cite: 'Lundberg, Lee: A Unified Approach to Interpreting Model Predictions. NeurIPS 2017, arXiv 1705.07874',
  signed: true,
  options: () =>
    z.strictObject({
      ...gameOptions(),
      samples: z.coerce.number().int().min(1).optional(),
      seed: z.coerce.number().int().default(0),
    }),
  supports: () => true,
  async explain(question, options) {
    const { players, all, none, values, spread } = await gameOf(question, 'kernelshap', options, (count) => samplesFor(options, count) + 2);
    const count = players.length;
    const tried = samplesFor(options, count);
    if (count > 1 && tried < count)
      throw new ExplainError(`kernelshap: samples is ${tried}; at least ${count} are needed, one for each of what is taken away`);
    if (count === 1) return { scores: spread([all - none]), baseline: none };
    const samples = tried === 2 ** count - 2 ? everyCoalition(count) : drawn(count, tried, xoroshiro128plus(options.seed));
    const found = await values(samples.map(({ coalition }) => coalition));
    return { scores: spread(await solve(samples, found, count, all, none)), baseline: none };
  },
});

/** π of a coalition of `size` of `count` players, times that number of coalitions: how often the size is drawn. */
const shareOfSize = (size: number, count: number): number => (count - 1) / (size * (count - size));

function everyCoalition(count: number): Sample[] {
  const ways = Array.from({ length: count }, (_, size) => {
    let number = 1;
    for (let i = 0; i < size; i++) number = (number * (count - i)) / (i + 1);
    return number;
  });
  return Array.from({ length: 2 ** count - 2 }, (_, index) => {
    const coalition = Array.from({ length: count }, (_unused, player) => (((index + 1) >> player) & 1) === 1);
    const size = coalition.filter(Boolean).length;
    return { coalition, weight: shareOfSize(size, count) / ways[size]! };
  });
}

/** Coalitions drawn by π, and their complements; one that is drawn again weighs more. */
function drawn(count: number, samples: number, generator: RandomGenerator): Sample[] {
  const shares = Array.from({ length: count - 1 }, (_, i) => shareOfSize(i + 1, count));
  const total = shares.reduce((sum, share) => sum + share, 0);
  const known = new Map<string, Sample>();
  const see = (coalition: boolean[]): void => {
    const key = coalition.map(Number).join('');
    const before = known.get(key);
    if (before) before.weight++;
    else known.set(key, { coalition, weight: 1 });
  };
  for (let tries = 0; known.size < samples && tries < 8 * samples; tries++) {
    let left = ((generator.next() >>> 0) / 2 ** 32) * total;
    let size = 1;
    while (size < count - 1 && left >= shares[size - 1]!) left -= shares[size++ - 1]!;
    const deck = Array.from({ length: count }, (_, player) => player);
    const coalition = new Array<boolean>(count).fill(false);
    for (let i = 0; i < size; i++) {
      const other = uniformInt(generator, i, count - 1);
      [deck[i], deck[other]] = [deck[other]!, deck[i]!];
      coalition[deck[i]!] = true;
    }
    see(coalition);
    if (known.size < samples) see(coalition.map((inside) => !inside));
  }
  return [...known.values()];
}

/** The fit, with the last player's share given by the sum of all: φ (players). */
async function solve(samples: readonly Sample[], values: readonly number[], count: number, all: number, none: number): Promise<number[]> {
  const { CholeskyDecomposition, Matrix } = await import('ml-matrix');
  const normal = Matrix.zeros(count - 1, count - 1);
  const right = Matrix.zeros(count - 1, 1);
  for (const [index, { coalition, weight }] of samples.entries()) {
    const last = Number(coalition[count - 1]);
    const row = coalition.slice(0, -1).map((inside) => Number(inside) - last);
    const rest = values[index]! - none - last * (all - none);
    for (const [i, a] of row.entries()) {
      if (a === 0) continue;
      right.set(i, 0, right.get(i, 0) + weight * a * rest);
      for (const [j, b] of row.entries()) if (b !== 0) normal.set(i, j, normal.get(i, j) + weight * a * b);
    }
  }
  const ridge = (1e-10 * normal.trace()) / (count - 1);
  for (let i = 0; i < count - 1; i++) normal.set(i, i, normal.get(i, i) + ridge);
  const shares = new CholeskyDecomposition(normal).solve(right).to1DArray();
  return [...shares, all - none - shares.reduce((sum, share) => sum + share, 0)];
}
