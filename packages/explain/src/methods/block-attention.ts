import { edgeSums, rollout, throughEdges, type Around, type PartOptions } from '@hidden-attention/attention';
import { positive, scope, sumLast, multiply, Tensor } from '@hidden-attention/tensor';
import * as z from '@hidden-attention/model/schema';
import { defineExplainer, type Explainer, type Relevance } from '../explainer.js';
import type { Question } from '../question.js';
import { layersFrom, meanGradients, meanOfLayers, onlyScans } from './layers.js';
import { attributionFields, startLayerOption, type AttributionOptions, type GradientAt } from './paper-options.js';
import { minMax, releasedGradient, releasedRollout, shownAsReleased } from './released.js';

/** Which of the paper's maps is made of the matrices: rows averaged, multiplied, or multiplied with the gradient. */
export type Form = 'raw' | 'rollout' | 'attribution';

export interface BlockAttentionOptions extends Omit<AttributionOptions, 'row' | 'clamp'> {
  form: Form;
  /** default: positive for attribution, none for the others */
  clamp?: AttributionOptions['clamp'] | undefined;
  /** factors around the scan that are left out, for ablations */
  without: Around[];
}

const around = ['conv', 'gate', 'activation'] as const;
const list = () =>
  z.preprocess(
    (value) => (typeof value === 'string' ? value.split(',').filter((name) => name !== '' && name !== 'none') : value),
    z.array(z.enum(around)),
  );
const options = (): z.ZodType<BlockAttentionOptions> => {
  const { clamp, ...fields } = attributionFields();
  return z.strictObject({
    form: z.enum(['attribution', 'rollout', 'raw']).default('attribution'),
    ...fields,
    clamp: clamp.optional(),
    without: list().default([]),
  });
};

const clampOf = ({ form, clamp: chosen }: BlockAttentionOptions): AttributionOptions['clamp'] =>
  chosen ?? (form === 'attribution' ? 'positive' : 'none');

/** One of the paper's maps with the matrices of the whole block in place of those of the scan. */
async function mapOf(question: Question, of: 'block' | 'unified', options: BlockAttentionOptions): Promise<Relevance> {
  const { form, startLayer, normalize, aggregate: reduce, gradientAt, without } = options;
  const indices = layersFrom(question, startLayer);
  const view = await question.attention();
  const edge = { reduce, clamp: clampOf(options) };
  if (form === 'raw') {
    const maps: Float64Array[] = [];
    for (const index of indices) {
      const layer = view.layer(index).of(of, { without });
      const sums = normalize === 'rows' ? await edgeSums(layer, edge) : undefined;
      const start = sums ? question.start.map((weight, at) => (sums[at] === 0 ? 0 : weight / sums[at]!)) : question.start;
      maps.push(await throughEdges(layer, start, edge));
    }
    return meanOfLayers(maps, startLayer, question.length);
  }
  const columns = form === 'attribution' ? await meanGradients(question, startLayer, gradientAt) : [];
  const { data, layers, warning } = await rollout(view, { start: question.start, of, without, startLayer, normalize, ...edge, columns });
  return { scores: data, layers: layers.map((layer) => layer ?? new Float64Array(question.length)), ...(warning ? { warning } : {}) };
}

/**
 * The whole block as attention, exactly: diag(SiLU z)·(α + D·I)·diag(σ(c))·M (math.md section 4), in the paper's three maps.
 */
export const wholeBlock: Explainer<BlockAttentionOptions> = defineExplainer({
  name: 'whole-block',
  title: 'Whole-block attention',
  summary:
    'How much of each piece of the input reaches the answer when each layer is followed as a whole, convolution, skip and gate included.',
  cite: 'hidden-attention, docs: mathematics, "the whole block, exactly"; after Zimerman, Ali, Wolf, ICLR 2025',
  signed: (chosen) => clampOf(chosen) === 'none' && chosen.aggregate === 'mean',
  options,
  supports: () => true,
  explain: (question, chosen) => mapOf(question, 'block', chosen),
});

const cite =
  'Zimerman, Ali, Wolf: Explaining Modern Gated-Linear RNNs via a Unified Implicit Attention Formulation. ICLR 2025, arXiv 2405.16504';

/** The same as published: diag(SiLU z)·α·diag(σ(c))·M, without D and the biases; not exact. */
export const unified: Explainer<BlockAttentionOptions> = defineExplainer({
  name: 'unified',
  title: 'Unified implicit attention',
  summary:
    'How much of each piece of the input reaches the answer when each layer is followed with its convolution and gate; as published, it leaves out what goes past the scan.',
  cite,
  signed: (chosen) => clampOf(chosen) === 'none' && chosen.aggregate === 'mean',
  options,
  supports: () => true,
  explain: (question, chosen) => mapOf(question, 'unified', chosen),
});

/** Row t of the published form, clamped at 0 in every channel, averaged over channels: (l). */
async function clampedRow(question: Question, index: number, { without }: PartOptions): Promise<Float64Array> {
  const layer = (await question.attention()).layer(index).unified(without ? { without } : {});
  const mean = scope(() => {
    const start = Tensor.from(Float32Array.from(question.start), [1, question.length, 1], layer.device);
    const read = layer.applyTransposed(multiply(Tensor.full(layer.shape, 1, layer.device), start)); //  (1 l d)
    return sumLast(positive(read), 'sum', 1 / layer.shape[2]);
  });
  const numbers = Float64Array.from(await mean.read());
  mean.dispose();
  return numbers;
}

/** The same as the released code has it: R(mm(mean_d max(w, 0) ⊙ G)), w the row of t (golden/RECIPES.md). */
export const unifiedReleased: Explainer<{ startLayer: number; gradientAt: GradientAt; without: Around[] }> = defineExplainer({
  name: 'unified',
  variant: 'released',
  title: 'Unified implicit attention',
  summary:
    "Unified implicit attention as its code computes it: the answer's own row, its positive part weighted by the score's gradient and stretched to 0…1, stands for the rows of all positions.",
  cite: `${cite}; code: Itamarzimm/UnifiedImplicitAttnRepr`,
  signed: false,
  options: () =>
    z.strictObject({ startLayer: startLayerOption(), gradientAt: attributionFields().gradientAt, without: list().default([]) }),
  supports: onlyScans,
  async explain(question, { startLayer, gradientAt, without }) {
    const vectors: Float64Array[] = [];
    for (const index of layersFrom(question, startLayer)) {
      const gradient = await releasedGradient(question, index, gradientAt);
      const product = (await clampedRow(question, index, { without })).map((value, at) => value * gradient[at]!);
      const [smallest, largest] = [Math.min(...product), Math.max(...product)];
      vectors.push(minMax(product, smallest, largest, `the weighted row of layer ${index}`));
    }
    return shownAsReleased(question, releasedRollout(question.start, vectors, startLayer));
  },
});
