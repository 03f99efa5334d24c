import { createModel, type Model } from '@hidden-attention/model';
import { describe, expect, test } from 'vitest';
import { explain } from './explain.js';
import type { ExplainRequest } from './request.js';
import { fullName, type Explainer } from './explainer.js';
import type { AttributionMap } from './result.js';

export { testFamily } from './conformance-family.js';

export interface ConformanceOptions {
  /** models to explain; default: small random language models of the built-in families and two classifiers (those that the explainer supports) */
  models?: readonly Model[];
  /** options of the explainer to test it with; default: its defaults */
  options?: Record<string, unknown>;
  /** how near scores and biases must come to the logit, as a share of Σ|scores| + |biases|; default 1e-4 */
  completeness?: number;
}

/**
 * Tests (for vitest) that every explainer has to pass: one finite score a position, none negative if it says it is unsigned,
 * nothing after the explained position of a causal model, the same scores twice, the input untouched, and, if it says so,
 * scores and biases that add up to the logit.
 */
export function testExplainer<Options extends object>(explainer: Explainer<Options>, options: ConformanceOptions = {}): void {
  const { models = defaultModels(), completeness = 1e-4 } = options;
  const supported = models.filter((model) => explainer.supports(model) === true);
  const name = fullName(explainer);
  const request = {
    methods: [explainer as unknown as Explainer<never>],
    check: false,
    ...(options.options ? { options: { [name]: options.options } } : {}),
  } as const;
  const mapOf = async (model: Model, ids: readonly number[], more: Partial<ExplainRequest> = {}): Promise<AttributionMap> =>
    (await explain({ model, input: [ids], ...request, ...more }))[0]!.maps[0]!;

  describe(`${name} conforms`, () => {
    test('it supports a model, and names itself in words', () => {
      expect(supported.length).toBeGreaterThan(0);
      for (const words of [explainer.title, explainer.summary, explainer.cite]) expect(words.trim()).not.toBe('');
    });
    test('one finite score a position, of the sign it claims', async () => {
      for (const model of supported) {
        for (const ids of texts(model)) {
          const { scores, signed } = await mapOf(model, ids);
          expect(scores).toHaveLength(ids.length);
          for (const score of scores) expect(score).toSatisfy((value: number) => Number.isFinite(value) && (signed || value >= 0));
        }
      }
    });
    test('nothing after the explained position of a language model, and no influence from there', async () => {
      for (const model of supported.filter(({ config }) => config.head.kind === 'language-model')) {
        const [ids] = texts(model) as [number[]];
        const position = ids.length - 4;
        const { scores } = await mapOf(model, ids, { position, target: 1 });
        expect(scores.slice(position + 1).every((score) => score === 0)).toBe(true);
        const other = ids.map((id, at) => (at > position ? (id + 1) % model.config.vocabSize : id));
        expect((await mapOf(model, other, { position, target: 1 })).scores).toEqual(scores);
      }
    });
    test('the same scores twice, and the input untouched', async () => {
      for (const model of supported) {
        const ids = Object.freeze(texts(model)[0]!.slice());
        const first = await mapOf(model, ids);
        expect((await mapOf(model, ids)).scores).toEqual(first.scores);
      }
    });
    test.runIf(explainer.complete)('scores and biases add up to the logit', async () => {
      for (const model of supported) {
        for (const ids of texts(model)) expect((await mapOf(model, ids)).certificate.completeness!.gap).toBeLessThan(completeness);
      }
    });
  });
}

/** Texts of several lengths, as ids. */
function texts({ config }: Model): number[][] {
  return [17, 12, 33].map((length) => Array.from({ length }, (_, at) => (at * at * 7 + 3 * at + length) % config.vocabSize));
}

function defaultModels(): Model[] {
  const sizes = { model_type: 'mamba', vocab_size: 40, hidden_size: 12, num_hidden_layers: 2, initializer_range: 0.5 };
  const classifier = { ...sizes, architectures: ['MambaForSequenceClassification'], id2label: { 0: 'no', 1: 'yes' } };
  const falcon = { ...sizes, model_type: 'falcon_mamba' };
  const mamba2 = { ...sizes, model_type: 'mamba2', num_heads: 4, head_dim: 6, n_groups: 2, state_size: 8 };
  const heads = { num_hidden_layers: 2, num_attention_heads: 2, vocab_size: 40, hidden_size: 12, initializer_range: 0.3 };
  const neox = { ...heads, model_type: 'gpt_neox' };
  const jamba = { ...heads, model_type: 'jamba', intermediate_size: 16, attn_layer_period: 2, attn_layer_offset: 1 };
  return [sizes, { ...classifier, pooling: 'mean' }, { ...classifier, pooling: 'last' }, falcon, mamba2, neox, jamba].map((json, seed) =>
    createModel(json, { seed }),
  );
}
