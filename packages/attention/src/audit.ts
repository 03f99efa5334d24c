import {
  add,
  causalConv1d,
  multiply,
  reshape,
  scope,
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
import { isCache, type BlockParts, type ScanState, type SoftmaxParts } from '@hidden-attention/model';
import { attentionLayer } from './layer.js';
import { oneHot } from './positions.js';
import { scanOperator } from './scan.js';
import { readOfCache } from './softmax.js';
import { isSoftmax, type AttentionView } from './view.js';

/** How far one layer is from what its attention view says: ‖actual − said‖ / ‖actual‖ over all positions and channels. */
export interface LayerAudit {
  layer: number;
  /** the scan's output against α·x′ + D·x′ */
  scan: number;
  /** the same at each row's last position, with α's row computed by itself (the scan run backwards) */
  row: number;
  /** out_proj's input against the block's attention times x, plus what biases and a carried state add */
  block: number;
  /** the same against the published `unified` form, which leaves D and biases out: its gap, not an error of ours */
  unified: number;
}

/** The certificate of a view. */
export interface Audit {
  layers: LayerAudit[];
  /** the largest of `scan`, `row` and `block` over all layers */
  worst: number;
}

/**
 * Checks a view against the model: each layer's actual outputs beside what its attention says they are (math.md section 4).
 * Float32 arithmetic leaves about 1e-7; more than 1e-5 means that the maps are not to be trusted.
 */
export async function audit(view: AttentionView): Promise<Audit> {
  const { model, batch, state } = view;
  const sites = Array.from(
    { length: view.layers },
    (_, layer) => `layers.${layer}.${view.layer(layer).kind === 'scan' ? 'scan' : 'attended'}`,
  );
  const cacheCounts = await Promise.all(
    (state?.layers ?? []).map(async (own) => (isCache(own) ? Int32Array.from(await own.past.read()) : undefined)),
  );
  const compared = scope(() => {
    const { captured } = model.forward(batch, { capture: sites, logits: 'none', ...(state ? { state } : {}) });
    return sites.map((site, layer) => scope(() => distances(view, captured[site]!, layer, cacheCounts[layer])));
  });
  const layers: LayerAudit[] = [];
  for (const [layer, distances] of compared.entries()) {
    const [scan, row, block, unified] = (await Promise.all(distances.map(share))) as [number, number, number, number];
    layers.push({ layer, scan, row, block, unified });
  }
  return { layers, worst: Math.max(...layers.flatMap(({ scan, row, block }) => [scan, row, block])) };
}

type Distance = { apart: Tensor<Float>; size: Tensor<Float> };

/** Sums of squares of actual − said and of actual. */
function distance(actual: Tensor, said: Tensor): Distance {
  const squares = (x: Tensor): Tensor<Float> => sumLast(x.view([1, x.size]), 'squares');
  return { apart: squares(subtract(said, actual)), size: squares(actual) };
}

async function share({ apart, size }: Distance): Promise<number> {
  const [above, below] = await Promise.all([apart.item(), size.item()]);
  apart.dispose();
  size.dispose();
  return below === 0 ? Math.sqrt(above) : Math.sqrt(above / below);
}

function distances(view: AttentionView, site: Tensor, index: number, counts: Int32Array | undefined): Distance[] {
  const parts = view.layer(index).parts();
  return isSoftmax(parts) ? softmaxDistances(view, parts, site, index, counts) : scanDistances(view, parts, site, index);
}

/** What the heads give beside their probabilities times v: of all positions, and of the last through a row. */
function softmaxDistances(
  view: AttentionView,
  parts: SoftmaxParts,
  attended: Tensor,
  index: number,
  counts: Int32Array | undefined,
): Distance[] {
  const { lengths } = view.batch;
  const cache = view.state?.layers[index];
  const carried = counts && cache && isCache(cache) ? readOfCache(parts, { ...cache, counts }, lengths) : undefined;
  const last = lastOf(lengths, attended);
  const block = view.layer(index).block();
  const v = reshape(parts.v, block.shape);
  const plus = (said: Tensor, rest: Tensor | undefined): Tensor => (rest ? add(said, rest) : said);
  const all = distance(attended, plus(block.apply(v), carried));
  const read = sumLast(multiply(block.row('last', { channels: 'all' }), transpose(v))); //             (b h·p)
  const row = distance(weightedSum(attended, last), plus(read, carried && weightedSum(carried, last)));
  return [all, row, distance(parts.attended, plus(block.apply(v), carried)), all];
}

/** (b l): 1 at each row's last position. */
function lastOf(lengths: readonly number[], like: Tensor): Tensor {
  return Tensor.from(
    oneHot(
      lengths.map((length) => length - 1),
      like.shape[1]!,
    ),
    like.shape.slice(0, 2),
    like.device,
  );
}

function scanDistances(view: AttentionView, parts: BlockParts, scanSite: Tensor, index: number): Distance[] {
  const layer = view.layer(index);
  const { delta, A, B, C, D, u, x, gated, convWeight, convBias } = parts;
  const { lengths, lengthsTensor } = view.batch;
  const carried = view.state?.layers[index] as ScanState | undefined;
  // what a carried state adds to the scan; what it and the biases add to the block
  const zeros = Tensor.full(u.shape, 0, u.device);
  const fromState = selectiveScan({ u: zeros, delta, A, B, C, initialState: carried?.scan }).y;
  const constant = causalConv1d({
    x: zeros,
    weight: convWeight,
    bias: convBias,
    initial: carried && slice(carried.conv, 1, 0, u.shape[2]!),
    lengths: lengthsTensor,
  }).y;
  const rest = gatedScan(parts, D, constant, carried?.scan);

  const last = lastOf(lengths, u);
  const atLast = (value: Tensor): Tensor<Float> => weightedSum(value, last); //                         (b l d) → (b d)
  const scan = attentionLayer(scanOperator(`layer ${index}`, { delta, A, B, C }, lengths)); // a matrix a channel, also where heads share one
  const read = sumLast(multiply(scan.row('last', { channels: 'all' }), transpose(u))); //               (b d)
  return [
    distance(scanSite, add(add(scan.apply(u), multiply(u, D)), fromState)),
    distance(atLast(scanSite), add(add(read, multiply(atLast(u), D)), atLast(fromState))),
    distance(gated, add(layer.block().apply(x), rest)),
    distance(gated, layer.unified().apply(x)),
  ];
}
