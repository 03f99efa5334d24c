import { layerKindsOf, type Model, type ScanDynamics } from '@hidden-attention/model';
import { exp, scope, sumLast, type Tensor } from '@hidden-attention/tensor';
import { isTwoWay, smallestBatch, type Direction } from './view.js';

/** Channels by how long they remember: the slowest third forgets last. */
export type ChannelSpeed = 'slow' | 'fast';

/**
 * The third of a scan's channels that decays most slowly, or fastest: by Σ_n exp(A[d,n]), what is left of a state of ones after a
 * step of Δ = 1 (Endy et al. 2025, "Mamba Knockout": ‖exp(−exp(A_log))‖₁). Numbers in order of the channels.
 * @throws RangeError for a layer that is no scan
 */
export async function channelsBySpeed(model: Model, layer: number, speed: ChannelSpeed, direction?: Direction): Promise<number[]> {
  if (layerKindsOf(model)[layer] === 'softmax')
    throw new RangeError(`layer ${layer} is softmax attention, whose channels do not decay; name channels by number`);
  const kept = scope(() => {
    const { family, config } = model;
    const capture = [...family.dynamicsSites(layer, config)];
    const { captured } = model.forward(smallestBatch(model), { capture, logits: 'none' });
    const dynamics = family.dynamics(model, captured, layer);
    const { A } = (isTwoWay(dynamics) ? dynamics[direction ?? 'forward'] : dynamics) as ScanDynamics;
    return sumLast(exp(A)) as Tensor;
  });
  const left = await kept.read();
  kept.dispose();
  const order = [...left.keys()].toSorted((a, b) => left[b]! - left[a]! || a - b);
  const third = Math.max(1, Math.floor(order.length / 3));
  return (speed === 'slow' ? order.slice(0, third) : order.slice(-third)).toSorted((a, b) => a - b);
}
