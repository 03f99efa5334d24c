import { isCache, type BlockParts, type LayerKind, type ScanState, type SoftmaxParts, type TwoWay } from '@hidden-attention/model';
import {
  add,
  causalConv1d,
  multiply,
  reshape,
  reverse,
  selectiveScan,
  slice,
  subtract,
  sumLast,
  Tensor,
  transpose,
  weightedSum,
  type Float,
} from '@hidden-attention/tensor';
import { gatedScan } from './block.js';
import { gatedOfSplit } from './contributions.js';
import { attentionLayer, type AttentionLayer } from './layer.js';
import { oneHot } from './positions.js';
import { scanOperator } from './scan.js';
import { readOfCache } from './softmax.js';
import { isSoftmax, isTwoWay, type AttentionView } from './view.js';

/** Sites that a layer's audit compares its attention with. */
export const auditedSites: Readonly<Record<LayerKind, readonly string[]>> = {
  scan: ['scan'],
  softmax: ['attended'],
  'two-way scan': ['forward.scan', 'backward.scan'],
};

/** Sums of squares of actual − said and of actual. */
export type Distance = { apart: Tensor<Float>; size: Tensor<Float> };

/** What a `LayerAudit` is made of: the worst of each list counts. */
export type Distances = Record<'scan' | 'row' | 'block' | 'unified' | 'latim', Distance[]>;

function distance(actual: Tensor, said: Tensor): Distance {
  const squares = (x: Tensor): Tensor<Float> => sumLast(x.view([1, x.size]), 'squares');
  return { apart: squares(subtract(said, actual)), size: squares(actual) };
}

/** ‖actual − said‖ / ‖actual‖; frees both. */
export async function share({ apart, size }: Distance): Promise<number> {
  const [above, below] = await Promise.all([apart.item(), size.item()]);
  apart.dispose();
  size.dispose();
  return below === 0 ? Math.sqrt(above) : Math.sqrt(above / below);
}

/** @param counts positions of each row that a cache carries in */
export function distances(
  view: AttentionView,
  captured: Readonly<Record<string, Tensor>>,
  index: number,
  counts: Int32Array | undefined,
): Distances {
  const layer = view.layer(index);
  const parts = layer.parts();
  const site = (name: string): Tensor => captured[`layers.${index}.${name}`]!;
  if (isSoftmax(parts)) return softmaxDistances(view, parts, site('attended'), index, counts);
  if (isTwoWay(parts)) return twoWayDistances(view, parts, [site('forward.scan'), reverse(site('backward.scan'), 1)], index);
  const { scan, row, rest } = scanDistances(view, parts, site('scan'), view.state?.layers[index] as ScanState | undefined);
  return {
    scan: [scan],
    row: [row],
    block: [distance(parts.gated, add(layer.block().apply(parts.x), rest))],
    unified: [distance(parts.gated, layer.unified().apply(parts.x))],
    latim: [distance(parts.gated, gatedOfSplit(parts))],
  };
}

/** What the heads give beside their probabilities times v: of all positions, and of the last through a row. */
function softmaxDistances(
  view: AttentionView,
  parts: SoftmaxParts,
  attended: Tensor,
  index: number,
  counts: Int32Array | undefined,
): Distances {
  const { lengths } = view.batch;
  const cache = view.state?.layers[index];
  const carried = counts && cache && isCache(cache) ? readOfCache(parts, { ...cache, counts }, lengths) : undefined;
  const last = lastOf(lengths, attended);
  const block = view.layer(index).block();
  const v = reshape(parts.v, block.shape);
  const plus = (said: Tensor, rest: Tensor | undefined): Tensor => (rest ? add(said, rest) : said);
  const whole = (): Distance => distance(attended, plus(block.apply(v), carried));
  const read = readAtLast(block, v); //                                                                (b h·p)
  const row = distance(weightedSum(attended, last), plus(read, carried && weightedSum(carried, last)));
  return {
    scan: [whole()],
    row: [row],
    block: [distance(parts.attended, plus(block.apply(v), carried))],
    unified: [whole()],
    latim: [whole()],
  };
}

/** The row of each row's last position times v, in every channel: (b l d) → (b d). */
const readAtLast = (layer: AttentionLayer, v: Tensor): Tensor<Float> =>
  sumLast(multiply(layer.row('last', { channels: 'all' }), transpose(v)));

/** (b l): 1 at each row's last position. */
function lastOf(lengths: readonly number[], like: Tensor): Tensor {
  const weights = oneHot(
    lengths.map((length) => length - 1),
    like.shape[1]!,
  );
  return Tensor.from(weights, like.shape.slice(0, 2), like.device);
}

/** A scan's output beside α·x′ + D·x′, and what of the block's output comes from its biases and from a carried state. */
function scanDistances(
  view: AttentionView,
  parts: BlockParts,
  scanSite: Tensor,
  carried?: ScanState,
): { scan: Distance; row: Distance; rest: Tensor<Float> } {
  const { delta, A, B, C, starts, D, u, convWeight, convBias } = parts;
  const { lengths, lengthsTensor } = view.batch;
  const zeros = Tensor.full(u.shape, 0, u.device);
  const fromState = selectiveScan({ u: zeros, delta, A, B, C, starts, initialState: carried?.scan }).y;
  const constant = causalConv1d({
    x: zeros,
    weight: convWeight,
    bias: convBias,
    initial: carried && slice(carried.conv, 1, 0, u.shape[2]!),
    lengths: lengthsTensor,
    starts,
  }).y;
  const last = lastOf(lengths, u);
  const atLast = (value: Tensor): Tensor<Float> => weightedSum(value, last); //                         (b l d) → (b d)
  const scan = attentionLayer(scanOperator('the scan', { delta, A, B, C, starts }, lengths)); // a matrix a channel, also where heads share one
  return {
    scan: distance(scanSite, add(add(scan.apply(u), multiply(u, D)), fromState)),
    row: distance(atLast(scanSite), add(add(readAtLast(scan, u), multiply(atLast(u), D)), atLast(fromState))),
    rest: gatedScan(parts, D, constant, carried?.scan),
  };
}

/** Each direction's scan by itself, in its own order; the block's output beside both together. */
function twoWayDistances(
  view: AttentionView,
  { forward, backward }: TwoWay<BlockParts>,
  [forwardSite, backwardSite]: readonly [Tensor, Tensor],
  index: number,
): Distances {
  const layer = view.layer(index);
  const [there, back] = [scanDistances(view, forward, forwardSite), scanDistances(view, backward, backwardSite)];
  const rest = add(there.rest, reverse(back.rest, 1));
  return {
    scan: [there.scan, back.scan],
    row: [there.row, back.row],
    block: [distance(forward.gated, add(layer.block().apply(forward.x), rest))],
    unified: [distance(forward.gated, layer.unified().apply(forward.x))],
    latim: [distance(forward.gated, add(gatedOfSplit(forward), reverse(gatedOfSplit(backward), 1)))],
  };
}
