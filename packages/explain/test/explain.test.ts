import { byteTokenizer } from '@hidden-attention/checkpoint';
import { beforeAll, describe, expect, test } from 'vitest';
import { defineExplainer, explain, type Explanation, type ExplainRequest } from '../src/index.js';
import { classifier, randomIds, smallModel } from './models.js';

const text = 'Dear winner, claim your prize! It is free. Kind regards 😀';
const tokenizer = byteTokenizer(
  300,
  Array.from({ length: 44 }, (_, id) => `<${id}>`),
);
const spam = classifier('mean');
const language = smallModel();

describe('a classifier explains a text by several methods', () => {
  let results: Explanation[];
  beforeAll(async () => {
    const ofThePaper = ['raw', 'rollout', 'mamba-attribution'].flatMap((name) => [name, `${name}:released`]);
    results = await explain({
      model: spam,
      tokenizer,
      input: text,
      target: 'spam',
      methods: [...ofThePaper, 'gradient-x-input', 'decomposition'],
    });
  });
  test('the answer', async () => {
    const [result] = results;
    const { ids } = tokenizer.encode(text);
    const logits = await spam.forward(spam.batch([ids])).logits!.read();
    const total = logits.reduce((sum, logit) => sum + Math.exp(logit), 0);
    expect(results).toHaveLength(1);
    expect(result).toMatchObject({ index: 0, text, position: null, target: { id: 1, label: 'spam' } });
    expect(result!.target.logit).toBeCloseTo(logits[1]!, 5);
    expect(result!.target.probability).toBeCloseTo(Math.exp(logits[1]!) / total, 5);
    expect(result!.alternatives.map(({ label }) => label).sort()).toEqual(['ham', 'news']);
    expect(result!.tokens.map(({ id }) => id)).toEqual(ids);
    expect(result!.tokens[3]).toEqual({ id: 'r'.charCodeAt(0), text: 'r', start: 3, end: 4 });
  });
  test('eight maps, each with words, sentences and a certificate', () => {
    const [result] = results;
    expect(result!.maps.map(({ method, variant }) => `${method}:${variant}`)).toEqual([
      'raw:paper',
      'raw:released',
      'rollout:paper',
      'rollout:released',
      'mamba-attribution:paper',
      'mamba-attribution:released',
      'gradient-x-input:paper',
      'decomposition:paper',
    ]);
    for (const { scores, words, sentences, certificate, signed } of result!.maps) {
      const total = scores.reduce((sum, score) => sum + score, 0);
      expect(scores).toHaveLength(result!.tokens.length);
      expect(words!.map(({ start, end }) => text.slice(start, end)).slice(0, 5)).toEqual(['Dear', 'winner', 'claim', 'your', 'prize']);
      expect(sentences!.map(({ start, end }) => text.slice(start, end))).toEqual([
        'Dear winner, claim your prize!',
        'It is free.',
        'Kind regards 😀',
      ]);
      for (const spans of [words!, sentences!]) expect(spans.reduce((sum, { score }) => sum + score, 0)).toBeCloseTo(total, 6);
      if (!signed) expect(Math.min(...scores)).toBeGreaterThanOrEqual(0);
      expect(certificate.audit.worst).toBeLessThan(1e-5);
      expect(certificate.audit.layers).toHaveLength(3);
      const { check } = certificate;
      expect(check).toMatchObject({ unit: 'word', removed: 1, of: 10 });
      expect(check!.probability.original).toBeCloseTo(result!.target.probability, 5);
      expect(check!.logit.random).toHaveLength(5);
      expect(check!.logit.random).toEqual(result!.maps[0]!.certificate.check!.logit.random);
    }
    expect(result!.maps.filter(({ biases }) => biases !== null).map(({ method }) => method)).toEqual(['decomposition']);
    expect(result!.maps.filter(({ certificate }) => certificate.completeness).map(({ method }) => method)).toEqual(['decomposition']);
    expect(result!.maps[7]!.certificate.completeness!.gap).toBeLessThan(1e-4);
  });
});

test('rows of ids: one result a row, as each row alone, by default the most probable answer', async () => {
  const rows = [randomIds(1, 12), randomIds(2, 5)];
  const results = await explain({ model: language, input: rows, methods: ['raw', 'decomposition'] });
  for (const [index, ids] of rows.entries()) {
    const [alone] = await explain({ model: language, input: [ids], methods: ['raw', 'decomposition'] });
    expect({ ...results[index], index: 0 }).toEqual(alone);
    const logits = await language.forward(language.batch([ids]), { logits: 'last' }).logits!.read();
    expect(results[index]!.target.id).toBe(logits.indexOf(Math.max(...logits)));
    expect(results[index]).toMatchObject({ index, text: null, position: ids.length - 1, target: { label: null } });
    expect(results[index]!.maps[0]!.words).toBeUndefined();
    expect(results[index]!.maps[0]!.certificate.check!.unit).toBe('token');
    expect(results[index]!.tokens[0]).toEqual({ id: ids[0], text: String(ids[0]), start: 0, end: String(ids[0]).length });
  }
  expect(results[0]!.maps[0]!.certificate.check).toMatchObject({ removed: 2, of: 11 }); // the last token stays
});

test('a position of a language model: negative from the end of each row, and nothing after it', async () => {
  const rows = [randomIds(1, 12), randomIds(2, 5)];
  const results = await explain({ model: language, input: rows, position: -3, methods: ['rollout'], target: [7, 8] });
  expect(results.map(({ position }) => position)).toEqual([9, 2]);
  expect(results.map(({ target }) => target.id)).toEqual([7, 8]);
  expect(results[0]!.maps[0]!.scores.slice(10)).toEqual([0, 0]);
  const [cut] = await explain({ model: language, input: [rows[0]!.slice(0, 10)], methods: ['rollout'], target: 7 });
  expect(results[0]!.maps[0]!.scores.slice(0, 10)).toEqual(cut!.maps[0]!.scores);
});

test('one token: all leaves out what the released code divides 0 by 0 for, and says so; asked by name it is an error', async () => {
  const [result] = await explain({ model: language, input: [[5]] });
  const divided = result!.skipped!.filter(({ method }) => method.endsWith(':released')).map(({ method }) => method);
  expect(divided).toEqual(['raw:released', 'mamba-attribution:released', 'unified:released']);
  expect(result!.skipped![0]!.reason).toContain('0/0');
  expect(result!.maps.every(({ certificate }) => certificate.check === undefined)).toBe(true);
  await expect(explain({ model: language, input: [[5]], methods: ['raw:released'] })).rejects.toThrow('use the paper variant');
});

test('options under a bare name go to the variants that have them', async () => {
  const request = { model: language, input: [randomIds(1, 9)], methods: ['raw', 'raw:released'], check: false } as const;
  const [result] = await explain({
    ...request,
    options: { raw: { startLayer: '1', normalize: 'rows' }, 'raw:released': { row: 'exact' } },
  });
  expect(result!.maps[0]!.options).toMatchObject({ startLayer: 1, normalize: 'rows', row: 'exact' });
  expect(result!.maps[1]!.options).toEqual({ startLayer: 1, row: 'exact' });
});

describe('what cannot be explained is refused', () => {
  const bare = defineExplainer({
    name: 'bare',
    title: 'Bare',
    summary: 'Nothing.',
    cite: 'this test',
    signed: false,
    supports: () => true,
    explain: ({ length }) => Promise.resolve({ scores: new Float64Array(length) }),
  });
  const base = { model: language, input: [[1, 2, 3]], check: false } as const;
  const cases: [string, Partial<ExplainRequest>, string][] = [
    ['an unknown method', { methods: ['raww'] }, 'unknown explainer "raww"; the nearest are raw'],
    ['no method', { methods: [] }, 'no methods were asked for'],
    [
      'an unknown option',
      { methods: ['rollout'], options: { rollout: { normalise: 'rows' } } },
      '"rollout" has no option "normalise"; the nearest are normalize',
    ],
    [
      'an option of a variant that lacks it',
      { methods: ['raw:released'], options: { 'raw:released': { clamp: 'none' } } },
      '"raw:released" has no option "clamp"',
    ],
    [
      'an option of a method without any',
      { methods: [bare as never], options: { bare: { steps: 3 } } },
      '"bare" has no option "steps"; it has none',
    ],
    ...['smoothgrad', 'integrated-gradients', 'occlusion', 'kernelshap', 'shapley-sampling'].map((name): (typeof cases)[number] => [
      `layers of ${name}, which looks at the input alone`,
      { methods: [name], options: { [name]: { layers: [0] } } },
      `"${name}" has no option "layers"; the nearest are `,
    ]),
    [
      'a value that does not fit',
      { methods: ['rollout'], options: { rollout: { normalize: 'columns' } } },
      'options of "rollout": normalize is "columns"',
    ],
    [
      'options of a method not asked for',
      { methods: ['raw'], options: { rollout: {} } },
      'options were given for "rollout", which is not among the methods asked for: raw',
    ],
    [
      'a layer that does not exist',
      { methods: ['raw'], options: { raw: { startLayer: 3 } } },
      'startLayer is 3; the model has layers 0 to 2',
    ],
    ['a target out of range', { target: 300 }, "target 300 does not exist; this model's tokens are 0 to 299"],
    ['too many targets', { target: [1, 2] }, '2 targets for 1 rows'],
    ['a position that does not exist', { position: 3 }, 'position 3 of row 0 does not exist; the row has positions 0 to 2'],
    ['a position of a classifier', { model: spam, position: 0 }, 'a classifier answers about the whole text'],
    ['text without a tokenizer', { input: 'hello' }, 'no tokenizer was given'],
    ['nothing', { input: [] }, 'there is no text to explain'],
    ['an empty row', { input: [[1], []] }, 'row 1 is empty'],
    ['an id out of range', { input: [[1, 300]] }, 'id 300 at position 1 of row 0 is out of range'],
  ];
  test.each(cases)('%s', async (_, request, message) => {
    await expect(explain({ ...base, ...request })).rejects.toThrow(message);
  });
});

test('nothing that explain computes stays on the device', async () => {
  const { live } = spam.device.memory();
  await explain({ model: spam, tokenizer, input: text });
  await explain({ model: language, input: [[1, 2, 3], [4]], options: { raw: { row: 'literal' } } });
  expect(spam.device.memory().live).toBeLessThanOrEqual(live); // less where the garbage of earlier tests was collected
});
