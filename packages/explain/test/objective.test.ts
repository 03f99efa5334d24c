// What can be explained: a logit, the difference of two, a sum over a span of the text, a function of the logits.
import { byteTokenizer } from '@hidden-attention/checkpoint';
import { add, affine, reshape, slice, square, sum, type Tensor } from '@hidden-attention/tensor';
import { describe, expect, test } from 'vitest';
import { explain, parseSpan, Question, removal, type AttributionMap, type ExplainRequest } from '../src/index.js';
import { classifier, randomIds, smallModel } from './models.js';

const language = smallModel();
const spam = classifier('mean');
const ids = randomIds(7, 14);
const shares = async (
  model: typeof language,
  target: number | undefined,
  request: Partial<ExplainRequest> = {},
): Promise<AttributionMap> => {
  const [result] = await explain({
    model,
    input: [ids],
    methods: ['decomposition'],
    ...(target === undefined ? {} : { target }),
    check: false,
    ...request,
  });
  return result!.maps[0]!;
};
const expectSum = (actual: readonly number[], parts: readonly (readonly [number, ArrayLike<number>])[]): void => {
  actual.forEach((score, at) =>
    expect(score).toBeCloseTo(
      parts.reduce((total, [weight, scores]) => total + weight * (scores[at] ?? 0), 0),
      4,
    ),
  );
};
/** Numbers of the logits, as a function: 2·logit_3 − logit_9. */
const twoOfThem = (logits: Tensor): Tensor => {
  const row = reshape(logits, [1, logits.size]);
  const at = (id: number): Tensor => slice(row, 1, id, id + 1);
  return sum(add(affine(at(3), 2), affine(at(9), -1)));
};

test('a contrast is the difference of two answers: scores, biases, score and check', async () => {
  for (const [model, a, b] of [
    [language, 3, 9],
    [spam, 1, 0],
  ] as const) {
    const [one, other, both] = [await shares(model, a), await shares(model, b), await shares(model, a, { contrast: b })];
    expectSum(both.scores, [
      [1, one.scores],
      [-1, other.scores],
    ]);
    expect(both.biases!).toBeCloseTo(one.biases! - other.biases!, 4);
    expect(both.certificate.completeness!.gap).toBeLessThan(1e-5);
    const [result] = await explain({ model, input: [ids], methods: ['raw'], target: a, contrast: b });
    const { target, maps } = result!;
    expect(target).toMatchObject({ kind: 'contrast', id: a, against: { id: b } });
    expect(target.score).toBeCloseTo(target.logit - target.against!.logit, 5);
    expect(maps[0]!.certificate.check!.logit.original).toBeCloseTo(target.score, 4);
  }
});

test('a contrast without a target is against the most probable answer; texts and labels name both', async () => {
  const tokenizer = byteTokenizer(
    300,
    Array.from({ length: 44 }, (_, id) => `<${id}>`),
  );
  const [result] = await explain({ model: language, tokenizer, input: 'Call me', contrast: 'text:a', methods: ['raw'], check: false });
  const logits = await language.forward(language.batch([[...new TextEncoder().encode('Call me')]]), { logits: 'last' }).logits!.read();
  expect(result!.target).toMatchObject({ id: logits.indexOf(Math.max(...logits)), against: { id: 97, label: 'a' } });
  const [named] = await explain({
    model: spam,
    tokenizer,
    input: 'Call me',
    target: 'ham',
    contrast: 'news',
    methods: ['raw'],
    check: false,
  });
  expect(named!.target).toMatchObject({ id: 0, against: { id: 2, label: 'news' } });
});

test('a span is the sum over its tokens, each explained at the position before it', async () => {
  const span = { start: 9, end: 12 };
  const [result] = await explain({ model: language, input: [ids], span, methods: ['decomposition', 'raw', 'rollout'] });
  const { target, maps, position } = result!;
  const parts = await Promise.all([9, 10, 11].map((at) => shares(language, ids[at], { position: at - 1 })));
  expectSum(
    maps[0]!.scores,
    parts.map(({ scores }) => [1, scores]),
  );
  expect(maps[0]!.certificate.completeness!.gap).toBeLessThan(1e-5);
  expect(maps[0]!.scores.slice(11)).toEqual([0, 0, 0]); // its last token is read by nobody
  expect(target).toMatchObject({ kind: 'span', id: ids[11], span });
  expect(position).toBeNull();
  const all = await language.forward(language.batch([ids])).logits!.read();
  const logit = [9, 10, 11].reduce((total, at) => total + all[(at - 1) * 300 + ids[at]!]!, 0);
  expect(target.score).toBeCloseTo(logit, 3);
  const rows = await Promise.all([8, 9, 10].map((at) => shares(language, undefined, { methods: ['raw'], position: at })));
  expectSum(
    maps[1]!.scores,
    rows.map(({ scores }) => [1 / 3, scores]),
  );
  const { check } = maps[0]!.certificate;
  expect(check!.logit.original).toBeCloseTo(logit, 3);
  expect(check!.of).toBe(8); // what the span is expected from, but for the position that it is read at
});

test('removal of a span: the text without the token, read at its last positions', async () => {
  const span = { start: 12, end: 14 };
  const [report] = await removal({ model: language, ids, target: span, rankings: [ids.map((_, at) => (at === 4 ? 1 : 0))], share: 0.01 });
  const without = ids.filter((_, at) => at !== 4);
  const logits = await language.forward(language.batch([without])).logits!.read();
  expect(report!.logit.top).toBeCloseTo(logits[10 * 300 + ids[12]!]! + logits[11 * 300 + ids[13]!]!, 3);
});

test('a function of the logits: its gradient is what is taken apart', async () => {
  const [a, b, both] = [await shares(language, 3), await shares(language, 9), await shares(language, undefined, { target: twoOfThem })];
  expectSum(both.scores, [
    [2, a.scores],
    [-1, b.scores],
  ]);
  expect(both.certificate.completeness!.gap).toBeLessThan(1e-5);
  const question = new Question(language, ids, (logits) => sum(square(logits)));
  const { stream } = await question.gradient();
  expect(stream[0]!.shape).toEqual([1, 14, 12]);
  expect(await question.score()).toBeCloseTo(
    (await question.logits()).reduce((total, logit) => total + logit ** 2, 0),
    1,
  );
  await question.dispose();
});

test('absolute drops the signs of scores, words and layers, and leaves the certificate', async () => {
  const [signed, absolute] = [await shares(language, 3), await shares(language, 3, { absolute: true })];
  expect(absolute.scores).toEqual(signed.scores.map(Math.abs));
  expect(absolute.layers).toEqual(signed.layers!.map((layer) => layer.map(Math.abs)));
  expect(absolute).toMatchObject({ signed: false, absolute: true });
  expect(absolute.certificate.completeness).toEqual(signed.certificate.completeness);
});

describe('targets that cannot be explained are refused', () => {
  const cases: [string, Partial<ExplainRequest>, string][] = [
    ['against itself', { target: 3, contrast: 3 }, 'contrasted with itself'],
    ['against an answer that does not exist', { target: 3, contrast: 300 }, 'target 300 does not exist'],
    ['too many contrasts', { contrast: [1, 2] }, '2 contrasts for 1 rows'],
    ['a span before which nothing stands', { span: { start: 0, end: 2 } }, 'the first has nothing before it'],
    ['a span past the end', { span: { start: 3, end: 15 } }, 'the span of tokens 3 to 15'],
    ['an empty span', { span: { start: 3, end: 3 } }, 'does not exist'],
    ['a span and a target', { span: { start: 3, end: 4 }, target: 1 }, 'a span and an answer were given'],
    ['a span and a position', { span: { start: 3, end: 4 }, position: 1 }, 'a span and a position were given'],
    ['a function and a contrast', { target: twoOfThem, contrast: 1 }, 'a function and a contrast were given'],
    ['a span of a classifier', { model: spam, span: { start: 1, end: 2 } }, 'a classifier answers about the whole text'],
    ['a function that gives many numbers', { target: (logits) => logits }, 'the target function gave a tensor of 300 numbers'],
    ['a function that gives none', { target: (() => 1) as never }, 'the target function gave number'],
  ];
  test.each(cases)('%s', async (_, request, message) => {
    await expect(explain({ model: language, input: [ids], methods: ['decomposition'], check: false, ...request })).rejects.toThrow(message);
  });
  test('a span as text', () => {
    expect(parseSpan('3:15')).toEqual({ start: 3, end: 15 });
    expect(() => parseSpan('3-15')).toThrow('not of the form A:B');
  });
});
