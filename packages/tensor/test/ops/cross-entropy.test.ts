import fc from 'fast-check';
import { expect, test } from 'vitest';
import { crossEntropy, Tensor } from '../../src/index.js';
import { expectGradients } from '../gradients.js';
import { crossEntropy as reference } from '../reference/cross-entropy.js';
import { integers, Random, runs } from '../support.js';

test('values and gradients, some rows ignored', () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: -1, max: 20 }), { minLength: 1, maxLength: 7 }),
      fc.integer({ min: 1, max: 40 }),
      fc.integer(),
      async (labels, vocabulary, seed) => {
        await expectGradients({
          inputs: {
            logits: new Random(seed).array([labels.length, vocabulary], -3, 3),
            labels: integers(labels.map((label) => (label < 0 ? -100 : label % vocabulary))),
          },
          op: ({ logits, labels }) => [crossEntropy(logits!, labels!)],
          reference: (arrays) => [reference(arrays)],
          within: 1e-4, // a loss near 0 is a difference of logits, as exact as these
        });
      },
    ),
    runs(25),
  ));

test('logits of any size do not overflow', async () => {
  const loss = crossEntropy(Tensor.from(Float32Array.of(1e4, 0, -1e4, 0), [2, 2]), Tensor.from(Int32Array.of(1, 1)));
  expect([...(await loss.read())]).toEqual([1e4, 0]);
});

test('a label past the vocabulary rejects the read', async () => {
  const loss = crossEntropy(Tensor.full([2, 3], 0), Tensor.from(Int32Array.of(0, 3)));
  await expect(loss.read()).rejects.toThrow('label 3 at row 1');
});
