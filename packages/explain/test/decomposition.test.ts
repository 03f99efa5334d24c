import fc from 'fast-check';
import { expect, test } from 'vitest';
import { explain, Question, rules } from '../src/index.js';
import { classifier, randomIds, smallModel } from './models.js';

test('scores and biases add up to the logit, for random models, heads and texts', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('language-model', 'mean', 'last'),
      fc.record({
        num_hidden_layers: fc.integer({ min: 1, max: 4 }),
        hidden_size: fc.integer({ min: 2, max: 20 }),
        state_size: fc.integer({ min: 1, max: 9 }),
        use_conv_bias: fc.boolean(),
        use_bias: fc.boolean(),
      }),
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 0, max: 999 }),
      async (head, sizes, length, seed) => {
        const extra =
          head === 'language-model'
            ? {}
            : { architectures: ['MambaForSequenceClassification'], id2label: { 0: 'a', 1: 'b' }, pooling: head };
        const model = smallModel({ ...sizes, ...extra }, seed + 1);
        const [result] = await explain({
          model,
          input: [randomIds(seed, length)],
          methods: ['decomposition'],
          target: seed % 2,
          check: false,
        });
        const { biases, certificate } = result!.maps[0]!;
        expect(certificate.completeness!.gap).toBeLessThan(1e-4);
        if (!sizes.use_bias && !sizes.use_conv_bias) expect(Math.abs(biases!)).toBe(0);
        model.dispose();
      },
    ),
    { numRuns: 25, seed: 11 },
  );
});

test('biases that are held receive nothing, and the others do', async () => {
  const model = smallModel();
  const question = new Question(model, randomIds(2, 11));
  const { biases } = await question.gradient(rules.decomposition);
  for (const [name, gradient] of biases) {
    const numbers = await gradient.read();
    const size = Math.max(...numbers.map(Math.abs));
    if (name.endsWith('dt_proj.bias')) expect(size).toBe(0);
    else expect(size).toBeGreaterThan(0);
    if (name.endsWith('in_proj.bias')) expect(numbers.slice(numbers.length / 2).every((value) => value === 0)).toBe(true);
  }
  await question.dispose();
});

test('every layer passes on what it received, biases apart: without biases, each layer adds up to the logit', async () => {
  const model = smallModel({ use_bias: false, use_conv_bias: false });
  const [result] = await explain({ model, input: [randomIds(3, 14)], methods: ['decomposition'], check: false });
  const { layers } = result!.maps[0]!;
  expect(layers).toHaveLength(3);
  for (const layer of layers!) expect(layer.reduce((sum, score) => sum + score, 0)).toBeCloseTo(result!.target.logit, 4);
});

test('gradient × input is the slope along the embeddings', async () => {
  const model = classifier('mean');
  const ids = randomIds(4, 9);
  const [result] = await explain({ model, input: [ids], methods: ['gradient-x-input'], target: 'spam', check: false });
  const { embeddings } = model.forward(model.batch([ids]), { capture: ['embeddings'] }).captured;
  const values = await embeddings!.read();
  const logitAt = async (position: number, factor: number): Promise<number> => {
    const changed = values.map((value, at) => (Math.floor(at / 12) === position ? value * factor : value));
    return (
      await model
        .forward(model.batch([ids]), {
          patch: { embeddings: (await import('@hidden-attention/tensor')).Tensor.from(changed, embeddings!.shape) },
        })
        .logits!.read()
    )[1]!;
  };
  for (const position of [0, 4, 8]) {
    const slope = ((await logitAt(position, 1.01)) - (await logitAt(position, 0.99))) / 0.02;
    expect(result!.maps[0]!.scores[position]!).toBeCloseTo(slope, 2);
  }
});
