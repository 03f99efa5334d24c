// Every protocol on a case that is worked out by hand.
import { random } from '@hidden-attention/evaluate';
import { describe, expect, test } from 'vitest';
import { figures, toyCase } from './toy.js';

const close = (found: Record<string, number>, expected: Record<string, number>): void => {
  for (const [name, value] of Object.entries(expected)) expect(found[name], name).toBeCloseTo(value, 6);
};
/** `value` at one of ten places. */
const oneOfTen = (value: number, at = 0, rest = 0): number[] => Array.from({ length: 10 }, (_, i) => (i === at ? value : rest));
const ln9 = Math.log(9);

describe('perturbation', () => {
  test('the answer is lost with the first tenth, and kept by the last: areas 5 of 90 and 90', async () => {
    // 1 − 9·0.05 > 0 is right; without unit 0 it is wrong; without the others it stays right
    for (const grid of [undefined, [2, 5] as const]) {
      const item = toyCase({ weights: oneOfTen(1, 0, -0.05), ...(grid ? { grid } : {}) });
      close(await figures('perturbation', [item]), { positive: 5, negative: 90, 'positive-0.1-0.9': 0, 'negative-0.1-0.9': 80, ties: 0.9 });
    }
  });
  test('a clean input that is wrong counts at 0, too', async () => {
    const wrong = toyCase({ weights: oneOfTen(1, 0, -0.05), label: 0 });
    close(await figures('perturbation', [wrong]), { positive: 85, negative: 0, 'positive-0.1-0.9': 80 });
  });
});

describe('segmentation', () => {
  const grid = [2, 2] as const;
  test('the map 4 1 0 0, cut at its mean, has the first of two pixels', async () => {
    const item = toyCase({ weights: [4, 1, 0, 0], truth: [0, 1], grid });
    // object 1/2, background 2/3; the scores 1 1 1 are right, then one at 0.75 is wrong, then 0.25 is right: 0.75 + 0.25 · 4/5
    close(await figures('segmentation', [item]), { mIoU: 50 * (1 / 2 + 2 / 3), 'pixel-accuracy': 75, mAP: 95, mF1: 200 / 3 });
  });
  test('ratios are of sums over the data set', async () => {
    const half = toyCase({ weights: [4, 1, 0, 0], truth: [0, 1], grid });
    const whole = toyCase({ weights: [1, 0, 0, 0], truth: [0], grid });
    close(await figures('segmentation', [half, whole]), { mIoU: 50 * (2 / 3 + 5 / 6), 'pixel-accuracy': 87.5 });
  });
  test('the truth itself is right everywhere', async () => {
    const item = toyCase({ weights: [1, 0, 0, 1], truth: [0, 3], grid });
    close(await figures('segmentation', [item]), { mIoU: 100, 'pixel-accuracy': 100, mAP: 100, mF1: 100 });
  });
});

test('activation: one half at first, nine tenths from the first tenth on', async () => {
  close(await figures('activation', [toyCase({ weights: oneOfTen(ln9) })]), { AUAC: 0.1 * 0.7 + 0.9 * 0.9 });
});

test('sparsity: one place has everything, or all have the same', async () => {
  close(await figures('sparsity', [toyCase({ weights: oneOfTen(-3) })]), { gini: 0.9, hoyer: 1, entropy: 0 });
  close(await figures('sparsity', [toyCase({ weights: oneOfTen(2, 0, -2) })]), { gini: 0, hoyer: 0, entropy: 1 });
  // shares 3/4 and 1/4 of two: 1 − 2·(1/4·3/2 + 3/4·1/2)/2
  close(await figures('sparsity', [toyCase({ weights: [3, 1] })]), { gini: 0.25 });
});

test('pruning: nothing changes until the last unit goes, whichever sign its score has', async () => {
  for (const sign of [1, -1])
    close(await figures('pruning', [toyCase({ weights: oneOfTen(1), scores: () => oneOfTen(sign) })]), { 'AU-MSE': 0.05 });
});

test('most against least relevant first', async () => {
  // deletion by cutting leaves one unit: the most relevant one, at the end of least relevant first
  close(await figures('morf-lerf', [toyCase({ weights: oneOfTen(1) })]), { deletion: 1 - 0.05, insertion: 0.95 - 0.05 });
});

test('insertion and deletion', async () => {
  const item = toyCase({ weights: oneOfTen(ln9) });
  close(await figures('insertion-deletion', [item], { steps: 10 }), { deletion: 0.1 * 0.7 + 0.9 * 0.5, insertion: 0.1 * 0.7 + 0.9 * 0.9 });
});

test('ERASER', async () => {
  const scores = [0, 0, 9, 7, 0, 8, 0, 0, 0, 0];
  const item = toyCase({ weights: oneOfTen(ln9, 2), scores: () => scores, truth: [2, 3] });
  close(await figures('eraser', [item]), {
    AUPRC: 1 / 2 + (1 / 2) * (2 / 3),
    'token-F1': (4 / 7 + 4 / 12) / 2,
    'IOU-F1': 2 / 3, // spans [2] and [5] against [2, 3]: the first overlaps by half
    comprehensiveness: 0.4,
    sufficiency: 0,
  });
});

describe('pointing game', () => {
  test('hits and energy, mean over classes', async () => {
    const hit = toyCase({ weights: [3, 1, -5, 0], truth: [0], label: 0 });
    const miss = toyCase({ weights: [1, 2, 0, 0], truth: [0], label: 1 });
    // class 0 hits once of once, class 1 once of twice
    close(await figures('pointing-game', [hit, miss, toyCase({ weights: [1, 0, 0, 0], truth: [0], label: 1 })]), {
      accuracy: (1 + 1 / 2) / 2,
      energy: (3 / 4 + 1 / 3 + 1) / 3,
    });
  });
  test('pixels within the tolerance are hits', async () => {
    const beside = toyCase({ weights: [0, 1, 0, 0], truth: [0], grid: [2, 2] });
    close(await figures('pointing-game', [beside]), { accuracy: 0 });
    close(await figures('pointing-game', [beside], { tolerance: 1 }), { accuracy: 1 });
  });
});

test('infidelity: 0 of the exact weights, however scaled, and 1 of zeros', async () => {
  const weights = [1, -2, 3, 0.5, 0, 2];
  close(await figures('infidelity', [toyCase({ weights })]), { scaled: 0, infidelity: 0 });
  const twice = await figures('infidelity', [toyCase({ weights, scores: () => weights.map((w) => 2 * w) })]);
  close(twice, { scaled: 0 });
  expect(twice['infidelity']).toBeGreaterThan(0.1);
  close(await figures('infidelity', [toyCase({ weights, scores: () => weights.map(() => 0) })]), { scaled: 1 });
});

test('max-sensitivity: the largest relative change', async () => {
  const factor: Record<string, number> = { 'move 0': 1.1, 'move 1': 0.7, 'move 2': 1.2 };
  const item = toyCase({ weights: [3, 4], scores: ({ change = '' }) => [3, 4].map((w) => w * (factor[change] ?? 1)) });
  close(await figures('max-sensitivity', [item], { samples: 3 }), { 'max-sensitivity': 0.3 });
});

describe('rows of known sources', () => {
  const ids = new Int32Array(5);
  const queries = [
    { position: 3, label: 1, sources: [0] },
    { position: 4, label: 1, sources: [1, 2], possible: [3] },
  ];
  const rows: Record<string, number[]> = { 'at 3': [5, 1, 1, 0], 'at 4': [0, 2, 0, 9, 1] };
  const item = toyCase({ weights: [0, 0, 0, 0, 0], scores: ({ change = '' }) => rows[change]!, example: { ids, queries } });
  test('copy', async () => {
    // second row: of 9 2 1 0 0 the second is a source, then two zeros tie, one of them a source: 1/2 · 1/2 + 1/2 · 2/5
    close(await figures('copy', [item]), {
      AP: (1 + 0.45) / 2,
      AUC: (1 + (2 + 0.5) / 6) / 2, // pairs won: source 1 (score 2) beats 0 and 1, source 2 (score 0) ties with one
      'recall-at-k': (1 + 1 / 2) / 2,
    });
  });
  test('alignment', async () => {
    // A has two links, S three: one sure hit, and one that is possible
    close(await figures('alignment', [item]), { AER: 1 - (1 + 2) / (2 + 3) });
  });
});

test('completeness', async () => {
  const item = toyCase({ weights: [1, 3], scores: () => [1, 2], biases: 0.5 });
  close(await figures('completeness', [item]), { gap: 0.5 / 3.5, 'within-0.01-percent': 0 });
  close(await figures('completeness', [toyCase({ weights: [1, 3] })]), { gap: 0, 'within-0.01-percent': 1 });
});

describe('maps compared', () => {
  const opposite = { ...random, name: 'opposite' };
  const same = { ...random, name: 'same' };
  const weights = [1, 2, 3, 4, 5];
  const scores = ({ ranker, change }: { ranker?: { name: string }; change?: string }): number[] =>
    ranker?.name === 'opposite' || change === 'int8' ? weights.map((w) => 10 - w) : weights;
  test('agreement is the mean over the other methods', async () => {
    const item = toyCase({ weights, scores, others: [opposite, same] });
    close(await figures('agreement', [item]), { spearman: 0, 'top-overlap': 0.5 });
  });
  test('quantisation compares with the map in f32, type by type', async () => {
    const variants: string[] = [];
    const found = await figures('quantisation', [toyCase({ weights, scores, variants })]);
    close(found, { 'bf16-spearman': 1, 'int8-spearman': -1, 'bf16-top-overlap': 1, 'int8-top-overlap': 0 });
    expect(variants).toEqual(['in bf16', 'in int8']);
  });
  test('run to run, a method that draws nothing gives the same', async () => {
    close(await figures('repeatability', [toyCase({ weights, scores })]), { spearman: 1, 'top-overlap': 1 });
  });
});
