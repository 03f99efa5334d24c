import { readFile } from 'node:fs/promises';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { measure } from '../recipes/mail/baselines.mjs';
import { cutBytes, grams, row, tfIdf, vocabulary, words } from '../recipes/mail/features.mjs';
import { minimise, trainLogisticRegression } from '../recipes/mail/logistic-regression.mjs';
import { trainNaiveBayes } from '../recipes/mail/naive-bayes.mjs';

const rowOf = (...counts: number[]) => {
  const features = counts.flatMap((count, feature) => (count > 0 ? [feature] : []));
  return { features: Int32Array.from(features), counts: Float64Array.from(features, (feature) => counts[feature]!) };
};

test('words and pairs of neighbours are counted', () => {
  expect(words("Don't PAY $5!")).toEqual(["don't", 'pay', '$5', '!']);
  expect([...grams('a b a b')]).toEqual([['a', 2], ['b', 2], ['a b', 2], ['b a', 1]]); // prettier-ignore
  const ids = vocabulary([grams('a b'), grams('a c')]);
  expect([...ids]).toEqual([['a', 0]]);
  expect(row(grams('c a a'), ids)).toEqual(rowOf(2));
});

test('a text is cut to bytes, never within a character', () => {
  expect(cutBytes('aé€', 3)).toBe('aé');
  expect(cutBytes('aé€', 5)).toBe('aé');
  expect(cutBytes('aé€', 6)).toBe('aé€');
  fc.assert(fc.property(fc.string({ unit: 'grapheme' }), fc.nat(40), (text, bytes) => {
    const cut = cutBytes(text, bytes);
    expect(text.startsWith(cut)).toBe(true);
    expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(bytes);
    expect(cut === text || Buffer.byteLength(cut) > bytes - 4).toBe(true);
  })); // prettier-ignore
});

test('tf-idf rows: a word in every text weighs less than one in half of them; every row has length 1', () => {
  const weigh = tfIdf([rowOf(1, 1), rowOf(1, 0)], 2);
  const [common, rare] = weigh(rowOf(1, 1)).counts;
  expect(rare! / common!).toBeCloseTo(1 + Math.log(3 / 2), 12);
  expect(common! ** 2 + rare! ** 2).toBeCloseTo(1, 12);
});

test('naive Bayes, worked out by hand', () => {
  // Class 0 has words 3 and 1, class 1 has 0 and 2; with smoothing 1: P = 4/6, 2/6 and 1/4, 3/4. Prior 2 : 1.
  const classify = trainNaiveBayes([rowOf(2, 0), rowOf(1, 1), rowOf(0, 2)], [0, 0, 1], { size: 2, smoothing: 1 });
  expect(classify(rowOf(0, 0))).toBeCloseTo(Math.log(1 / 2), 12);
  expect(classify(rowOf(1, 2))).toBeCloseTo(Math.log(1 / 2) + Math.log(1 / 4 / (4 / 6)) + 2 * Math.log(3 / 4 / (2 / 6)), 12);
});

test('L-BFGS finds the least point of a badly scaled quadratic and of the Rosenbrock function', () => {
  const quadratic = minimise((x: Float64Array, gradient: Float64Array) => {
    x.forEach((value, index) => (gradient[index] = 10 ** index * (value - index)));
    return x.reduce((sum, value, index) => sum + 0.5 * 10 ** index * (value - index) ** 2, 0);
  }, 5, { tolerance: 1e-9 }); // prettier-ignore
  quadratic.forEach((value: number, index: number) => expect(value).toBeCloseTo(index, 6));
  const [x, y] = minimise(([a, b]: number[], gradient: Float64Array) => {
    gradient[0] = -400 * a! * (b! - a! ** 2) - 2 * (1 - a!);
    gradient[1] = 200 * (b! - a! ** 2);
    return 100 * (b! - a! ** 2) ** 2 + (1 - a!) ** 2;
  }, 2, { tolerance: 1e-9 }); // prettier-ignore
  expect(x).toBeCloseTo(1, 5);
  expect(y).toBeCloseTo(1, 5);
});

test('logistic regression is at the optimum: residuals sum to 0, and w = -Σ residual · x / penalty', () => {
  const rows = [rowOf(1, 0, 1), rowOf(0, 2, 0), rowOf(1, 1, 0), rowOf(0, 0, 3), rowOf(2, 1, 1)];
  const labels = [1, 0, 1, 0, 0];
  const penalty = 0.5;
  const classify = trainLogisticRegression(rows, labels, { size: 3, penalty });
  const bias = classify(rowOf());
  const residuals = rows.map((x, index) => 1 / (1 + Math.exp(-classify(x))) - labels[index]!);
  expect(residuals.reduce((sum, residual) => sum + residual, 0)).toBeCloseTo(0, 4);
  for (let feature = 0; feature < 3; feature++) {
    const weight = classify({ features: Int32Array.of(feature), counts: Float64Array.of(1) }) - bias;
    const pull = rows.reduce((sum, { features, counts }, index) => sum + residuals[index]! * (counts[features.indexOf(feature)] ?? 0), 0);
    expect(weight).toBeCloseTo(-pull / penalty, 4);
  }
});

test('both methods tell ham from spam on the committed sample, and the majority rate is the larger class', async () => {
  const sample = (await readFile(new URL('fixtures/mail-sample.jsonl', import.meta.url), 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const part = (remainder: number) => sample.filter((_, index) => (index % 4 === 3 ? 1 : 0) === remainder);
  const figures = measure({ train: part(0), validation: part(1), heldout: [...part(1), sample[3]] });
  expect(figures.majority).toBeCloseTo(6 / 11, 12);
  for (const { accuracy, hamAsSpam, spamAsHam, messages } of [figures.naiveBayes, figures.logisticRegression]) {
    expect(accuracy).toBeGreaterThan(0.8);
    expect(accuracy).toBeCloseTo(1 - (hamAsSpam + spamAsHam) / messages, 12);
  }
});
