// An explainer as anybody can publish one: attention weighted by the size of what is read (Kobayashi et al. 2020), in the last layer.
import { defineExplainer, registerExplainer, type Explainer } from '@hidden-attention/explain';
import { abs, multiply, scope, sumLast, Tensor } from '@hidden-attention/tensor';

/** Σ_d |Σ_t start_t·α[d][t,j]|·|value_j[d]|: how much the answer's place reads of position j, not only how willingly. */
export const valueWeighted: Explainer = defineExplainer({
  name: 'value-weighted',
  title: 'Value-weighted attention',
  summary: 'How much the last layer reads of each piece of the input when it forms its answer.',
  cite: 'after Kobayashi, Kuribayashi, Yokoi, Inui: Attention is Not Only a Weight. EMNLP 2020, arXiv 2004.10102',
  signed: false,
  supports: (model) => model.family.images === undefined || 'it reads the values of one scan; this model reads both ways',
  async explain(question) {
    const layer = (await question.attention()).layer(-1);
    const parts = layer.parts();
    const values = 'u' in parts ? parts.u : 'v' in parts ? parts.v : undefined;
    if (!values) throw new Error('a layer with one scan, or softmax attention, is needed');
    const block = layer.kind === 'softmax' ? layer.block() : layer;
    const scores = scope(() => {
      const [, length, channels] = block.shape;
      const flat = values.view([1, length, values.size / length]);
      const weights = Float32Array.from({ length: length * channels }, (_, i) => question.start[Math.floor(i / channels)]!);
      const start = Tensor.from(weights, [1, length, channels], values.device);
      const read = abs(block.applyTransposed(start)); //                                       (1 l d), or (1 l heads)
      const each = flat.view([length * channels, flat.size / (length * channels)]); //          a head's channels
      const sizes = sumLast(each, 'abs').view([1, length, channels]);
      return sumLast(multiply(read, sizes));
    });
    const numbers = Float64Array.from(await scores.read());
    scores.dispose();
    return { scores: numbers };
  },
});

registerExplainer(valueWeighted);
