import type { Model } from '@hidden-attention/model';
import { audit, type Audit, type LayerAudit } from './audit.js';
import { disposeAll, walk } from './pieces.js';
import { attentionView } from './view.js';

/**
 * The audit of a text of any length, in pieces: each piece with the state before it (as `audit` of a view with a state), and of
 * every figure the worst over the pieces. Memory: one piece.
 * @param options.piece positions a piece; default 2048
 */
export async function auditLong(model: Model, text: ArrayLike<number>, options: { piece?: number } = {}): Promise<Audit> {
  const ids = Int32Array.from(text);
  const audits: Audit[] = [];
  const pieces = await walk(model, ids, options.piece ?? 2048, async ({ start, end, state }) => {
    using view = await attentionView(model, [ids.subarray(start, end)], { state });
    audits.push(await audit(view));
  });
  disposeAll(pieces);
  const worstOf = (a: LayerAudit, b: LayerAudit): LayerAudit => ({
    layer: a.layer,
    scan: Math.max(a.scan, b.scan),
    row: Math.max(a.row, b.row),
    block: Math.max(a.block, b.block),
    unified: Math.max(a.unified, b.unified),
    latim: Math.max(a.latim, b.latim),
  });
  return audits.reduce((sofar, next) => ({
    layers: sofar.layers.map((layer, at) => worstOf(layer, next.layers[at]!)),
    worst: Math.max(sofar.worst, next.worst),
  }));
}
