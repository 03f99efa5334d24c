import { byteTokenizer } from '@hidden-attention/checkpoint';
import { inPrecision, withExactActivations, Model } from '@hidden-attention/model';
import { Tensor } from '@hidden-attention/tensor';
import { describe, expect, test } from 'vitest';
import { explain, Question, type Explanation } from '../src/index.js';
import { smallModel } from './models.js';

const text = 'Dear winner, claim your prize!';
const tokenizer = byteTokenizer(
  300,
  Array.from({ length: 44 }, (_, id) => `<${id}>`),
);

test('every method explains a model in int8, as it does one in f32 with the same numbers', async () => {
  const quantized = inPrecision(smallModel({ hidden_size: 32 }), 'int8');
  const { family, config, json, device } = quantized;
  const read = [...quantized.parameters].map(async ([name, tensor]) => [name, Tensor.from(await tensor.read(), tensor.shape)] as const);
  const same = new Model(family, config, json, new Map(await Promise.all(read)), device);
  const explained = async (model: Model): Promise<Explanation> => (await explain({ model, tokenizer, input: text, target: 42 }))[0]!;
  const [got, want] = [await explained(quantized), await explained(same)];
  expect(got.maps.map(({ method, variant }) => `${method}:${variant}`)).toEqual(
    want.maps.map(({ method, variant }) => `${method}:${variant}`),
  );
  expect(got.maps.length).toBeGreaterThan(5);
  for (const [index, { method, scores, certificate }] of got.maps.entries()) {
    const expected = want.maps[index]!.scores;
    const largest = Math.max(...expected.map(Math.abs));
    // differences of logits cannot be known better than the logits, which are f32
    const rounding = 1e-6 * Math.max(1, Math.abs(want.target.logit));
    scores.forEach((score, i) => expect(Math.abs(score - expected[i]!), method).toBeLessThanOrEqual(1e-3 * largest + rounding));
    expect(certificate.audit.worst).toBeLessThan(1e-5);
    expect(certificate.completeness?.gap ?? 0).toBeLessThan(1e-4);
  }
});

describe('a model in w8a8, which rounds what its linear layers read', () => {
  const model = inPrecision(smallModel({ hidden_size: 32 }), 'w8a8');
  const exact = withExactActivations(model);
  const lastLogits = async (of: Model, rows: number[][]): Promise<Float32Array> =>
    of.forward(of.batch(rows), { logits: 'last' }).logits!.read();

  test('is explained as the same weights with nothing of that rounded, maps and certificates alike; the answer as it runs stands beside', async () => {
    const [got, want] = await Promise.all(
      [model, exact].map(async (of) => (await explain({ model: of, tokenizer, input: text, target: 42 }))[0]!),
    );
    const { asRun, ...target } = got!.target;
    expect(want!.target).toEqual(target);
    expect(got!.maps.length).toBeGreaterThan(5);
    expect(got!.maps).toEqual(want!.maps);
    const ids = Array.from(tokenizer.encode(text).ids);
    const [rounded, unrounded] = [await lastLogits(model, [ids]), await lastLogits(exact, [ids])];
    expect(asRun!.score).toBe(rounded[42]);
    expect(target.logit).toBeCloseTo(unrounded[42]!, 4);
    expect(Math.abs(asRun!.score - target.logit)).toBeGreaterThan(1e-5);
    expect(want!.target.asRun).toBeUndefined();
  });

  test('what is explained by default is the answer that it gives, not the one that it would give without rounding', async () => {
    const rows = Array.from({ length: 512 }, (_, row) => [row % 300, (row * 7 + 3) % 300, (row * 13 + 1) % 300]);
    const best = async (of: Model): Promise<number[]> => {
      const logits = await lastLogits(of, rows);
      return rows.map((_, row) => {
        const own = logits.subarray(300 * row, 300 * (row + 1));
        return own.indexOf(Math.max(...own));
      });
    };
    const [rounded, unrounded] = [await best(model), await best(exact)];
    const row = rows.findIndex((_, at) => rounded[at] !== unrounded[at]);
    expect(row).toBeGreaterThanOrEqual(0);
    const [explained] = await explain({ model, input: [rows[row]!], methods: ['decomposition'], check: false });
    expect(explained!.target.id).toBe(rounded[row]);
    expect(explained!.maps[0]!.certificate.completeness!.gap).toBeLessThan(1e-4);
    expect(explained!.maps[0]!.certificate.audit.worst).toBeLessThan(1e-5);
  });

  test('a span, and a question by itself; nothing of the model is freed with it', async () => {
    const [explained] = await explain({ model, tokenizer, input: text, span: { start: 3, end: 6 }, methods: ['rollout'], check: false });
    expect(explained!.target.asRun!.score).not.toBe(explained!.target.score);
    const question = new Question(model, [1, 2, 3, 4]);
    expect(await question.asRun()).not.toEqual(await question.logits());
    await question.dispose();
    expect((await lastLogits(model, [[1, 2, 3, 4]])).every(Number.isFinite)).toBe(true);
  });
});
