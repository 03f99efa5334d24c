// Maps of models with softmax attention.
import { attentionView } from '@hidden-attention/attention';
import { createModel, type Model, type SoftmaxParts } from '@hidden-attention/model';
import { describe, expect, test } from 'vitest';
import { testExplainer } from '../src/conformance.js';
import { explain, getExplainer, listExplainers, Question, type ImageInput } from '../src/index.js';

const sizes = { vocab_size: 40, initializer_range: 0.3 };
const gpt2 = createModel({ ...sizes, model_type: 'gpt2', n_embd: 12, n_layer: 3, n_head: 3, n_positions: 40 }, { seed: 1 });
const neox = createModel({ ...sizes, model_type: 'gpt_neox', hidden_size: 16, num_hidden_layers: 2, num_attention_heads: 2 }, { seed: 2 });
const vit = createModel(
  { model_type: 'vit', img_size: 12, patch_size: 4, embed_dim: 12, depth: 3, num_heads: 3, num_classes: 4, initializer_range: 0.3 },
  { seed: 3 },
);
const jamba = createModel(
  {
    ...sizes,
    model_type: 'jamba',
    hidden_size: 16,
    intermediate_size: 20,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    attn_layer_period: 2,
    attn_layer_offset: 1,
  },
  { seed: 4 },
);
const image: ImageInput = { pixels: Float32Array.from({ length: 432 }, (_, at) => Math.sin(at * at)), shape: [3, 12, 12] };

for (const name of ['raw', 'rollout', 'mamba-attribution', 'gradient-x-input', 'decomposition', 'transformer-attribution'])
  testExplainer(getExplainer(name), { models: [gpt2, neox] });

describe('transformer-attribution', () => {
  /** Row t of Π(I + E_h[(∇A ⊙ A)⁺]) in float64, from dense matrices. */
  async function reference(question: Question): Promise<number[]> {
    const { model, length } = question;
    const layers = model.config.layers;
    using view = await attentionView(
      model,
      question.image ? model.images(question.image.pixels, [1, ...question.image.shape]) : [question.ids],
    );
    const sites = await question.atSites(Array.from({ length: layers }, (_, layer) => `layers.${layer}.attended`));
    let row = Float64Array.from(question.start);
    for (let layer = layers - 1; layer >= 0; layer--) {
      const seen = view.layer(layer);
      const heads = seen.shape[2];
      const p = await seen.matrix({ channels: 'all' }).read(); //                                      (1 h l l)
      const v = await (seen.parts() as SoftmaxParts).v.read(); //                                      (1 l h p)
      const dy = await sites[`layers.${layer}.attended`]!.gradient.read();
      const width = v.length / length / heads;
      const next = Float64Array.from(row);
      for (let h = 0; h < heads; h++)
        for (let i = 0; i < length; i++)
          for (let j = 0; j < length; j++) {
            let gradient = 0;
            for (let c = 0; c < width; c++) gradient += dy[(i * heads + h) * width + c]! * v[(j * heads + h) * width + c]!;
            next[j]! += (row[i]! * Math.max(0, gradient * p[(h * length + i) * length + j]!)) / heads;
          }
      row = next;
    }
    return [...row];
  }

  test.each([
    ['GPT-2', gpt2, [3, 1, 4, 1, 5, 9, 2, 6]],
    ['GPT-NeoX', neox, [2, 7, 1, 8, 2, 8]],
    ['ViT', vit, image],
  ] as [string, Model, number[] | ImageInput][])('of %s is its definition', async (_, model, input) => {
    const question = new Question(model, input);
    const expected = await reference(question);
    const { scores, layers } = await getExplainer('transformer-attribution').explain(question, { startLayer: 0 });
    const size = Math.max(...expected);
    Array.from(scores).forEach((score, at) => expect(Math.abs(score - expected[at]!)).toBeLessThan(2e-6 * size));
    expect(layers).toHaveLength(model.config.layers);
    await question.dispose();
  });

  test('is for softmax attention alone', () => {
    expect(getExplainer('transformer-attribution').supports(jamba)).toMatch(/use mamba-attribution/);
    expect(getExplainer('raw:released').supports(gpt2)).toMatch(/this model has softmax attention/);
  });
});

test('every method that supports a model gives a map of it: a hybrid, and images', async () => {
  for (const [model, input] of [
    [jamba, [[1, 2, 3, 4, 5, 6]]],
    [vit, { images: [image] }],
  ] as const) {
    const [result] = await explain({ model, input: input as never });
    const expected = listExplainers().filter((explainer) => explainer.supports(model) === true);
    expect(result!.maps).toHaveLength(expected.length);
    expect(expected.length).toBeGreaterThan(4);
    for (const { certificate } of result!.maps) expect(certificate.audit.worst).toBeLessThan(1e-5);
    // softmax attention is never negative, so neither are its rows and their products; a scan's can be
    for (const method of ['raw', 'rollout']) {
      const { signed, scores } = result!.maps.find((map) => map.method === method)!;
      expect([method, signed]).toEqual([method, model === jamba]);
      if (!signed) expect(Math.min(...scores)).toBeGreaterThanOrEqual(0);
    }
  }
});
