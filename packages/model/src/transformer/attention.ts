import { affine, appendPositions, add, concat, reshape, softmaxAttention, Tensor, transpose, type Float } from '@hidden-attention/tensor';
import type { BlockContext } from '../backbone.js';
import type { ModelConfig, SoftmaxDynamics, SoftmaxParts } from '../family.js';
import { ModelError } from '../errors.js';
import { resized, type CacheState } from '../state.js';

/** Sites of an attention layer, those of its dynamics and those of its parts. */
export const attentionSites: readonly string[] = ['q', 'k', 'v', 'logSumExp', 'attended'];
export const softmaxSites: readonly string[] = ['q', 'k', 'v', 'logSumExp'];

/**
 * Softmax attention among the positions of a text, each seeing itself and those before it (Vaswani et al. 2017): q, k, v (b l h p) →
 * what the heads give, side by side (b l h·p), and the keys and values with the new ones behind them. Sites: q, k, v as they come in,
 * logSumExp (b l h), attended.
 */
export function causalAttention<Config extends ModelConfig>(
  heads: { q: Tensor; k: Tensor; v: Tensor },
  context: BlockContext<Config, CacheState>,
): { attended: Tensor<Float>; state: CacheState } {
  const { layer, sites, state } = context;
  const site = <T extends Tensor>(name: string, value: T): T => sites.pass(`layers.${layer}.${name}`, value);
  const [q, k, v] = [site('q', heads.q), site('k', heads.k), site('v', heads.v)];
  const next = remember(k, v, context);
  const past = state.filled > 0 ? state.past : undefined;
  const { y, logSumExp } = softmaxAttention({ q, k: next.keys, v: next.values, past, starts: context.batch.startsTensor });
  site('logSumExp', transpose(logSumExp)); //                                                       (b h l) → (b l h)
  const [rows, length, count, width] = q.shape as [number, number, number, number];
  return { attended: site('attended', reshape(y, [rows, length, count * width])), state: next };
}

/** What the cache holds after these keys and values (b l h p). */
function remember(k: Tensor, v: Tensor, { state, inPlace, batch }: BlockContext<ModelConfig, CacheState>): CacheState {
  const length = k.shape[1]!;
  const { lengths, lengthsTensor, startsTensor } = batch;
  if (state.filled > 0 && (startsTensor || state.packed))
    throw new ModelError(
      'rows of several texts cannot go on from, or be gone on from, in a model with softmax attention: its cache holds one text a row. Give each text a row of its own',
    );
  const past = lengthsTensor
    ? add(state.past, Tensor.from(Float32Array.from(lengths), [lengths.length], k.device))
    : affine(state.past, 1, length);
  const filled = state.filled + length;
  const ragged = lengthsTensor || state.ragged ? { ragged: true } : {};
  if (state.filled === 0 && state.keys.shape[1] === 0)
    return { keys: k, values: v, past, filled, ...ragged, ...(startsTensor ? { packed: true } : {}) };
  const room = state.keys.shape[1]!;
  // where every row of the cache is full, the new ones simply follow: gradients pass, also to what the cache was made of
  if (!inPlace && room === state.filled && !state.ragged)
    return { keys: concat([state.keys, k], 1), values: concat([state.values, v], 1), past, filled, ...ragged };
  const { keys, values } = inPlace && filled <= room ? state : resized(state, Math.max(filled, inPlace ? 2 * room : 0));
  appendPositions({ cache: keys, source: k, past: state.past, lengths: lengthsTensor });
  appendPositions({ cache: values, source: v, past: state.past, lengths: lengthsTensor });
  return { keys, values, past, filled, ...ragged };
}

/** What makes an attention layer a matrix a head, out of its captured sites. */
export function softmaxDynamics(captured: Record<string, Tensor>, layer: number): SoftmaxDynamics {
  const site = (name: string): Tensor => captured[`layers.${layer}.${name}`]!.view();
  const q = site('q');
  return { q, k: site('k'), v: site('v'), logSumExp: site('logSumExp'), scale: 1 / Math.sqrt(q.shape[3]!), causal: true };
}

/** The same with what the heads gave. */
export function softmaxParts(captured: Record<string, Tensor>, layer: number): SoftmaxParts {
  return { ...softmaxDynamics(captured, layer), attended: captured[`layers.${layer}.attended`]!.view() };
}
