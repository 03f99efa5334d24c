import { abs, add, affine, concat, divide, matmul, scope, slice, sumLast, Tensor, type Float } from '@hidden-attention/tensor';
import { edges, edgeSums, exponentOf, throughEdges, type EdgeOptions } from './edges.js';
import { RolloutGuard, type RolloutReport } from './guard.js';
import type { AttentionLayer } from './layer.js';
import { checkFits } from './memory.js';
import { oneHot, resolvePositions, type Position } from './positions.js';
import type { AttentionView, Part, PartOptions } from './view.js';

/** How layers are multiplied: α^λ = I + m of each layer, as it is ('none'), or with each row divided by its sum ('rows'). */
export type Normalize = 'none' | 'rows';

export interface RolloutOptions extends Omit<EdgeOptions, 'columns'>, PartOptions {
  /** what of each layer; default 'scan' */
  of?: Part;
  /** the first layer that counts; default 0 */
  startLayer?: number;
  normalize?: Normalize;
  /** by layer, (b l): a factor of each column of m; default 1 */
  columns?: readonly (ArrayLike<number> | undefined)[];
}

/** A rollout's row, and how well it is determined. */
export interface Rollout extends RolloutReport {
  /** (b l), float64 */
  data: Float64Array;
  shape: readonly [rows: number, length: number];
  /** by layer: the row of the product of this and all later layers; undefined before startLayer */
  layers: (Float64Array | undefined)[];
}

/**
 * One row of an attention rollout (math.md section 5; paper eq. 21 and 22): row `position` of (I + m^Λ)⋯(I + m^s), later layers
 * on the left, as v ← v + vᵀm from the last layer down. With the plain mean, time and memory are linear in the length.
 * @param options.start (b l) weights to start from in place of one position: 1/length for the mean over rows
 * @throws RangeError for a layer or position that does not exist, or where the result is not finite
 */
export async function rollout(
  view: AttentionView,
  options: RolloutOptions & { position?: Position; start?: ArrayLike<number> } = {},
): Promise<Rollout> {
  const { of = 'scan', without = [], startLayer = 0, normalize = 'none', columns, position = 'last', start, ...kind } = options;
  const { lengths } = view.batch;
  const length = Math.max(...lengths);
  const guard = new RolloutGuard();
  const layers: (Float64Array | undefined)[] = Array.from({ length: view.layers }, () => undefined);
  let v = Float64Array.from(start ?? oneHot(resolvePositions(lengths, position), length));
  for (let index = view.layers - 1; index >= checkedStart(view, startLayer); index--) {
    const layer = view.layer(index).of(of, { without });
    const edge = { ...kind, columns: columns?.[index] };
    if (normalize === 'rows') v = guard.divide(v, await edgeSums(layer, edge));
    const read = await throughEdges(layer, v, edge);
    v = v.map((value, at) => value + read[at]!);
    guard.see(v);
    layers[index] = v;
  }
  return { data: v, shape: [lengths.length, length], layers, ...guard.report() };
}

/**
 * The whole rollout (I + m^Λ)⋯(I + m^s): `matrix` (b l l) times 2^exponent. Quadratic in memory, cubic in time: for a row of it
 * use `rollout`.
 * @throws RangeError when it does not fit in memory
 */
export async function rolloutMatrix(
  view: AttentionView,
  options: RolloutOptions = {},
): Promise<{ matrix: Tensor<Float>; exponent: number }> {
  const { of = 'scan', without = [], startLayer = 0, normalize = 'none', columns, ...kind } = options;
  const first = checkedStart(view, startLayer);
  const layerOf = (index: number): AttentionLayer => view.layer(index).of(of, { without });
  const [batch, length] = layerOf(first).shape;
  checkFits(
    view.model.device,
    `a rollout matrix of ${length} positions`,
    16 * batch * length * length,
    'Ask for one row of it (rollout), which is linear in the length',
  );
  const layers = Array.from({ length: view.layers - first }, (_, i) => first + i);
  return multiplyLayers(
    layers.map((index) => () => edges(layerOf(index), { ...kind, columns: columns?.[index] })),
    normalize,
  );
}

/** (I + m_last)⋯(I + m_first) of matrices (b l l), first to last, each made when its turn comes: `matrix` times 2^exponent. */
export async function multiplyLayers(
  matrices: readonly (() => Tensor)[],
  normalize: Normalize = 'none',
): Promise<{ matrix: Tensor<Float>; exponent: number }> {
  let product: Tensor<Float> | undefined;
  let exponent = 0;
  for (const make of matrices) {
    const before: Tensor<Float> | undefined = product;
    const next = scope(() => {
      const step = withIdentity(make(), normalize);
      if (!before) return step;
      const [batch, length] = before.shape as [number, number];
      const of = (value: Tensor, row: number): Tensor<Float> => slice(value, 0, row, row + 1).view([length, length]);
      return concat(
        Array.from({ length: batch }, (_, row) => matmul(of(step, row), of(before, row))),
        0,
      ).view(before.shape);
    });
    before?.dispose();
    const largest = scope(() => sumLast(abs(next.view([1, next.size])), 'max'));
    const power = exponentOf(await largest.read());
    largest.dispose();
    product = affine(next, 2 ** -power);
    next.dispose();
    exponent += power;
  }
  if (!product) throw new RangeError('a rollout needs at least one layer');
  return { matrix: product, exponent };
}

function withIdentity(matrix: Tensor, normalize: Normalize): Tensor<Float> {
  const [batch, length] = matrix.shape as [number, number];
  const identity = new Float32Array(length * length);
  for (let i = 0; i < length; i++) identity[i * length + i] = 1;
  const step = add(matrix, Tensor.from(identity, [length, length], matrix.device));
  return normalize === 'none' ? step : divide(step, sumLast(step).view([batch, length, 1]));
}

function checkedStart(view: AttentionView, startLayer: number): number {
  if (!Number.isInteger(startLayer) || startLayer < 0 || startLayer >= view.layers) {
    throw new RangeError(`startLayer is ${startLayer}; the model has layers 0 to ${view.layers - 1}`);
  }
  return startLayer;
}
