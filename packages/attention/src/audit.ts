import { isCache } from '@hidden-attention/model';
import { scope } from '@hidden-attention/tensor';
import { auditedSites, distances, share, type Distance } from './audit-layer.js';
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
  /** the same against the published split of LaTIM, SiLU of each tap of the convolution by itself: its gap, not an error of ours */
  latim: number;
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
  const kinds = Array.from({ length: view.layers }, (_, layer) => view.layer(layer).kind);
  const sites = kinds.flatMap((kind, layer) => auditedSites[kind].map((site) => `layers.${layer}.${site}`));
  const cacheCounts = await Promise.all(
    (state?.layers ?? []).map(async (own) => (isCache(own) ? Int32Array.from(await own.past.read()) : undefined)),
  );
  const compared = scope(() => {
    const { captured } = model.forward(batch, { capture: sites, logits: 'none', ...(state ? { state } : {}) });
    return kinds.map((_, layer) => scope(() => distances(view, captured, layer, cacheCounts[layer])));
  });
  const worst = async (all: readonly Distance[]): Promise<number> => Math.max(...(await Promise.all(all.map(share))));
  const layers: LayerAudit[] = [];
  for (const [layer, { scan, row, block, unified, latim }] of compared.entries())
    layers.push({
      layer,
      scan: await worst(scan),
      row: await worst(row),
      block: await worst(block),
      unified: await worst(unified),
      latim: await worst(latim),
    });
  return { layers, worst: Math.max(...layers.flatMap(({ scan, row, block }) => [scan, row, block])) };
}
