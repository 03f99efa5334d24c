import {
  add,
  causalConv1d,
  multiply,
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
import { attentionLayer } from './layer.js';
import { oneHot } from './positions.js';
import { scanOperator } from './scan.js';
import type { AttentionView } from './view.js';

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
  const sites = Array.from({ length: view.layers }, (_, layer) => `layers.${layer}.scan`);
  const compared = scope(() => {
    const { captured } = model.forward(batch, { capture: sites, logits: 'none', ...(state ? { state } : {}) });
    return sites.map((site, layer) => scope(() => distances(view, captured[site]!, layer)));
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

function distances(view: AttentionView, scanSite: Tensor, index: number): Distance[] {
  const layer = view.layer(index);
  const parts = layer.parts();
  const { delta, A, B, C, D, u, x, gated, convWeight, convBias } = parts;
  const { lengths, lengthsTensor } = view.batch;
  const carried = view.state?.layers[index];
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

  const last = Tensor.from(
    oneHot(
      lengths.map((length) => length - 1),
      u.shape[1]!,
    ),
    u.shape.slice(0, 2),
    u.device,
  );
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
