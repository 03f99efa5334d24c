import { abs, multiply, scope, sumLast, Tensor } from '@hidden-attention/tensor';
import { resolvePositions, type Position } from './positions.js';
import type { AttentionView } from './view.js';

/** How far away one position reads, by row of the batch, in positions. */
export interface ReceptiveField {
  /** by layer: the mean over channels of Σ_j |t − j|·|α[t,j]| / Σ_j |α[t,j]| */
  layers: number[][];
  /** the mean over layers */
  mean: number[];
}

/**
 * The effective receptive field: the mean distance that a position's attention spans, over channels and layers (Ben-Kish et al. 2025,
 * DeciMamba, arXiv 2406.14528, "Mamba mean distance"). A row of each layer's matrices, linear in the length. Channels that read
 * nothing count as 0.
 * @param options.position whose row is taken; default each row's own last
 */
export async function effectiveReceptiveField(view: AttentionView, options: { position?: Position } = {}): Promise<ReceptiveField> {
  const positions = resolvePositions(view.batch.lengths, options.position ?? 'last');
  const layers: number[][] = [];
  for (let index = 0; index < view.layers; index++) {
    const layer = view.layer(index);
    const [rows, length, channels] = layer.shape;
    const { spans, sizes } = scope(() => {
      const row = abs(layer.row(options.position ?? 'last', { channels: 'all' })); //                 (b d l)
      const away = positions.flatMap((at) => {
        const distances = Array.from({ length }, (_, j) => Math.abs(at - j));
        return new Array<number[]>(channels).fill(distances).flat();
      });
      return { spans: sumLast(multiply(row, Tensor.from(Float32Array.from(away), row.shape, row.device))), sizes: sumLast(row) }; // (b d)
    });
    const [above, below] = await Promise.all([spans.read(), sizes.read()]);
    for (const tensor of [spans, sizes]) tensor.dispose();
    const share = (at: number): number => (below[at] === 0 ? 0 : above[at]! / below[at]!);
    layers.push(
      Array.from({ length: rows }, (_, row) => {
        const own = Array.from({ length: channels }, (_unused, channel) => share(row * channels + channel));
        return own.reduce((sum, value) => sum + value, 0) / channels;
      }),
    );
  }
  const mean = positions.map((_, row) => layers.reduce((sum, own) => sum + own[row]!, 0) / layers.length);
  return { layers, mean };
}
