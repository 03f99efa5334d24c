import { layerKindsOf, type SoftmaxDynamics } from '@hidden-attention/model';
import {
  add,
  concat,
  matmul,
  multiply,
  positive,
  reshape,
  scope,
  slice,
  softmaxAttentionMatrix,
  Tensor,
  transpose,
  type Float,
} from '@hidden-attention/tensor';
import * as z from '@hidden-attention/model/schema';
import { defineExplainer, type Explainer } from '../explainer.js';
import { layersFrom } from './layers.js';

/** Numbers that a piece of a layer's matrices may hold. */
const pieceSize = 4 * 2 ** 20;

/**
 * vᵀ·E_h[(∇p ⊙ p)⁺] of a layer: v (l), p its probabilities, ∇p = dy·vᵀ their gradient. Rows of the matrices come in pieces: memory is
 * linear in the length.
 */
function through({ q, k, v, logSumExp, scale, causal }: SoftmaxDynamics, dy: Tensor, weights: Float64Array): Tensor<Float> {
  const [, length, heads, width] = q.shape as [number, number, number, number];
  const log = transpose(logSumExp); //                                                               (1 h l)
  const of = (x: Tensor, head: number): Tensor<Float> => reshape(slice(x, 2, head, head + 1), [length, width]);
  const rows = Math.max(1, Math.floor(pieceSize / (heads * length)));
  let total: Tensor<Float> | undefined;
  for (let start = 0; start < length; start += rows) {
    const end = Math.min(length, start + rows);
    const part = scope(() => {
      const p = softmaxAttentionMatrix({ q, k, logSumExp: log }, { scale, causal, rowStart: start, rows: end - start });
      const own = Tensor.from(Float32Array.from(weights.subarray(start, end)), [1, end - start], q.device);
      const read = Array.from({ length: heads }, (_, head) => {
        const gradient = matmul(slice(of(dy, head), 0, start, end), of(v, head), { transposeB: true }); // (rows l)
        const edges = positive(multiply(reshape(slice(p, 1, head, head + 1), [end - start, length]), gradient));
        return matmul(own, edges); //                                                                (1 l)
      });
      return matmul(Tensor.full([1, heads], 1 / heads, q.device), concat(read, 0)); //               (1 l)
    });
    const before: Tensor<Float> | undefined = total;
    total = before ? scope(() => add(before, part)) : part;
    if (before) for (const tensor of [before, part]) tensor.dispose();
  }
  return total!;
}

/** Transformer-Attribution: row t of Π(I + E_h[(∇A ⊙ A)⁺]), later layers on the left. For softmax attention. */
export const transformerAttribution: Explainer<{ startLayer: number }> = defineExplainer({
  name: 'transformer-attribution',
  title: 'Transformer-Attribution',
  summary:
    "How much of each piece of the input reaches the answer through the layers of a transformer, following only those connections that raise the answer's score.",
  cite: 'Chefer, Gur, Wolf: Generic Attention-model Explainability for Interpreting Bi-Modal and Encoder-Decoder Transformers. ICCV 2021, arXiv 2103.15679, eq. 5 and 6',
  signed: false,
  options: () => z.strictObject({ startLayer: z.coerce.number().int().min(0).default(0) }),
  supports: (model) =>
    layerKindsOf(model).every((kind) => kind === 'softmax') ||
    "it multiplies softmax attention with its gradient; for Mamba's layers use mamba-attribution",
  async explain(question, { startLayer }) {
    const view = await question.attention();
    const indices = layersFrom(question, startLayer);
    const sites = await question.atSites(indices.map((layer) => `layers.${layer}.attended`));
    const layers: Float64Array[] = Array.from({ length: view.layers }, () => new Float64Array(question.length));
    let weights = Float64Array.from(question.start);
    for (const index of indices.toReversed()) {
      const dynamics = view.layer(index).dynamics as SoftmaxDynamics;
      const { gradient } = sites[`layers.${index}.attended`]!;
      const read = scope(() => through(dynamics, gradient.view(dynamics.q.shape), weights));
      const numbers = await read.read();
      read.dispose();
      weights = weights.map((value, at) => value + numbers[at]!);
      layers[index] = weights;
    }
    for (const { value, gradient } of Object.values(sites)) for (const tensor of [value, gradient]) tensor.dispose();
    return { scores: weights, layers };
  },
});
