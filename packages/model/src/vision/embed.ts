import { add, cast, concat, embedding, linear, matmul, reshape, slice, Tensor, type Float } from '@hidden-attention/tensor';
import { patchesOf, type Batch } from '../batch.js';
import type { ParameterSpec } from '../family.js';
import { constant, free, normal, uniform, weight } from '../initialize.js';
import type { Model } from '../model.js';
import type { VisionConfig } from './config.js';
import { classPositionsOf, gridOf } from './patches.js';

/** Names of the class tokens. */
const tokenNames = ({ classToken }: VisionConfig): string[] =>
  ({ first: ['cls_token'], middle: ['cls_token'], last: ['cls_token'], ends: ['cls_token_head', 'cls_token_tail'], none: [] })[classToken];

/** Parameters in front of the blocks, by the names of timm and of Vision Mamba. */
export function embeddingParameters(config: VisionConfig): Record<string, ParameterSpec> {
  const { hiddenSize: m, channels, patchSize, imageSize } = config;
  const [rows, columns] = gridOf(imageSize, config);
  const tokens = tokenNames(config);
  const fanIn = channels * patchSize * patchSize;
  return {
    'patch_embed.proj.weight': weight([m, channels, patchSize, patchSize], uniform(1 / Math.sqrt(fanIn))),
    'patch_embed.proj.bias': free([m], constant(0)),
    ...Object.fromEntries(tokens.map((name) => [name, free([1, 1, m], normal(0.02))])),
    pos_embed: free([1, rows * columns + tokens.length, m], normal(0.02)),
  };
}

/** Patches (b p n) projected, class tokens put between them, positions added: (b l m), in f32. */
export function embedPatches(model: Model<VisionConfig>, batch: Batch): Tensor<Float> {
  const { patches, grid, classPositions } = patchesOf(batch);
  const { config } = model;
  const kernel = model.parameter('patch_embed.proj.weight');
  const rows = patches.shape[0]!;
  const flat = reshape(kernel, [config.hiddenSize, kernel.size / config.hiddenSize]);
  const projected = linear(cast(patches, kernel.dtype as Float), flat, model.parameter('patch_embed.proj.bias'));
  const first = Tensor.from(new Int32Array(rows), [rows, 1], patches.device);
  const tokens = tokenNames(config).map((name) => embedding(first, reshape(model.parameter(name), [1, config.hiddenSize]))); // (b 1 m)
  const placed = inserted(projected, tokens, classPositions);
  return add(cast(placed, 'f32'), cast(positionsOf(model, grid), 'f32'));
}

/** Puts tokens (… 1 m) between patches (… p m) so that they stand at these positions; axis −2 is that of positions. */
function inserted(patches: Tensor, tokens: readonly Tensor[], positions: readonly number[]): Tensor<Float> {
  const axis = patches.shape.length - 2;
  const count = patches.shape[axis]!;
  const cuts = positions.map((position, i) => position - i); // patches before each token
  const parts = tokens.flatMap((token, i) => [slice(patches, axis, cuts[i - 1] ?? 0, cuts[i]!), token]);
  return concat(
    [...parts, slice(patches, axis, cuts.at(-1) ?? 0, count)].filter((part) => part.size > 0),
    axis,
  );
}

/** The position embeddings (l m) for a grid: those learnt, or interpolated from them where the grid is another. */
function positionsOf(model: Model<VisionConfig>, grid: readonly [number, number]): Tensor<Float> {
  const { config } = model;
  const m = config.hiddenSize;
  const learnt = model.parameter('pos_embed');
  const all = reshape(learnt, [learnt.shape[1]!, m]);
  const own = gridOf(config.imageSize, config);
  if (grid[0] === own[0] && grid[1] === own[1]) return all;
  const places = classPositionsOf(config.classToken, own[0] * own[1]);
  const tokens = places.map((place) => slice(all, 0, place, place + 1));
  const cuts = [-1, ...places, all.shape[0]!];
  const patches = concat(
    cuts.slice(1).flatMap((end, i) => (end > cuts[i]! + 1 ? [slice(all, 0, cuts[i]! + 1, end)] : [])),
    0,
  );
  const weights = Tensor.from(bicubic(own, grid), [grid[0] * grid[1], own[0] * own[1]], model.device);
  return inserted(matmul(weights, cast(patches, 'f32')), tokens, classPositionsOf(config.classToken, grid[0] * grid[1]));
}

/** Keys' cubic with a = −¾, as the published models' interpolation has it. */
function cubic(distance: number): number {
  const a = -0.75;
  const x = Math.abs(distance);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((x - 5) * x + 8) * x * a - 4 * a : 0;
}

/** Weights (to from) of a grid's numbers in another grid of the same extent: bicubic, pixel centres aligned, edges repeated. */
export function bicubic(from: readonly [number, number], to: readonly [number, number]): Float32Array {
  // each place takes its number from four others along an axis
  const along = (size: number, wanted: number): [place: number, weight: number][][] =>
    Array.from({ length: wanted }, (_, i) => {
      const center = ((i + 0.5) * size) / wanted - 0.5;
      const first = Math.floor(center) - 1;
      return Array.from({ length: 4 }, (_, n) => [Math.min(size - 1, Math.max(0, first + n)), cubic(center - first - n)]);
    });
  const [rows, columns] = [along(from[0], to[0]), along(from[1], to[1])];
  const each = from[0] * from[1];
  const weights = new Float32Array(to[0] * to[1] * each);
  rows.forEach((row, y) =>
    columns.forEach((column, x) => {
      const start = (y * to[1] + x) * each;
      for (const [i, a] of row) for (const [j, b] of column) weights[start + i * from[1] + j]! += a * b;
    }),
  );
  return weights;
}
