// Texts with known answers: what the sources say must be what the text says.
import { readFileSync } from 'node:fs';
import { byteTokenizer } from '@hidden-attention/checkpoint';
import { getData, listTasks, planted, practiceTexts, registerTask, taskTexts, type LabelledText } from '@hidden-attention/evaluate';
import { createModel } from '@hidden-attention/model';
import { afterAll, describe, expect, test } from 'vitest';

const model = createModel({ model_type: 'mamba', vocab_size: 256, hidden_size: 8, num_hidden_layers: 1 });
afterAll(() => model.dispose());
const loaded = { model, tokenizer: byteTokenizer(256, []), chat: null, folder: '', unused: [], warnings: [] };
const place = { name: 'test', resolve: (path: string): string => path };

describe.each(listTasks().map(({ name }) => name))('%s', (name) => {
  const texts = taskTexts(name, 'held-out', 200, 3);
  const { length } = listTasks().find((task) => task.name === name)!;
  test('is drawn by its seed; training texts are others', () => {
    expect(taskTexts(name, 'held-out', 5, 3)).toEqual(texts.slice(0, 5));
    const training = new Set(taskTexts(name, 'training', 200, 3).map(({ prompt }) => prompt));
    expect(texts.filter(({ prompt }) => training.has(prompt))).toEqual([]);
  });
  test('its texts have their length, a source for each written character, and sources that lie before', () => {
    for (const { prompt, completion, sources } of texts) {
      expect(prompt.length + completion.length).toBe(length);
      expect(sources).toHaveLength(completion.length);
      for (const { sure, possible = [] } of sources)
        for (const at of [...sure, ...possible]) expect(at >= 0 && at < prompt.length).toBe(true);
    }
  });
  test('the answer stands at its source', () => {
    for (const { prompt, completion, sources, earlier = [] } of texts) {
      if (name === 'count-in-row') {
        const row = /(1*)=$/.exec(prompt)![1]!;
        expect(completion).toBe(String(row.length));
        expect(sources[0]!.sure.map((at) => prompt[at]).join('')).toBe(`0${row}`);
        continue;
      }
      sources.forEach(({ sure }, i) => expect(sure.map((at) => prompt[at])).toEqual([completion[i]]));
      for (const { position, sure, possible } of earlier) {
        expect(prompt[position]).toBe(prompt[possible![0]!]);
        expect(prompt[position + 1]).toBe(prompt[sure[0]!]);
      }
    }
  });
  test('as a data set: the last answer is the label, each answer a query', async () => {
    const kind = getData('known-answer');
    const { examples } = await kind.open(kind.options.parse({ task: name, count: 4, seed: 3 }), loaded, place);
    examples.forEach(({ ids, text, label, queries, rationale }, i) => {
      const { prompt, completion, sources, earlier = [] } = texts[i]!;
      const whole = prompt + completion;
      expect(text).toBe(whole.slice(0, -1));
      expect(String.fromCharCode(...ids!)).toBe(text);
      expect(String.fromCharCode(label!)).toBe(whole.at(-1));
      expect(rationale).toEqual(sources.at(-1)!.sure);
      expect(queries).toHaveLength(earlier.length + completion.length);
      for (const { position, label: answer } of queries!) expect(String.fromCharCode(answer)).toBe(whole[position + 1]);
    });
  });
});

describe('texts to learn a task from', () => {
  const texts = (name: string): { prompt: string; completion: string }[] => practiceTexts(name, 300, 3);
  test.each(listTasks().map(({ name }) => name))(
    '%s: fit the rows of the recipe, the same each time, none of those that are held out',
    (name) => {
      const heldOut = new Set(taskTexts(name, 'held-out', 300, 3).map(({ prompt }) => prompt));
      expect(texts(name)).toEqual(texts(name));
      for (const { prompt, completion } of texts(name)) {
        expect(prompt.length + completion.length).toBeLessThanOrEqual(64);
        expect(heldOut.has(prompt)).toBe(false);
      }
    },
  );
  test('induction: pairs that stand among the letters before', () => {
    for (const { prompt, completion } of texts('induction')) {
      const [own, first] = [prompt.slice(0, -1), prompt.at(-1)!];
      expect(new Set(own).size).toBe(own.length);
      for (const pair of (first + completion).match(/../g)!) expect(own).toContain(pair);
    }
  });
  test('recall: every pair once more, and no other', () => {
    for (const { prompt, completion } of texts('recall')) {
      const [pairs, first] = prompt.split('?');
      expect((first + completion).match(/../g)!.toSorted()).toEqual(pairs!.match(/../g)!.toSorted());
    }
  });
  test('selective copy: the letters without the dots', () => {
    for (const { prompt, completion } of texts('selective-copy')) expect(prompt.replace(/[.|]/g, '')).toBe(completion);
  });
});

describe('planted phrases', () => {
  const mails = readFileSync(new URL('../../zoo/test/fixtures/mail-sample.jsonl', import.meta.url), 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as LabelledText);
  const phrases = { spam: ['Click here to claim your prize!', 'Earn money from home!'] };
  const texts = planted(mails, { phrases, seed: 1, length: 512 });
  test('stand where the rationale says, within what is read, in mails of the other label, of which nothing else is lost', () => {
    const ham = mails.filter(({ label }) => label === 'ham');
    expect(texts).toHaveLength(ham.length);
    texts.forEach(({ text, label, rationale }, i) => {
      const [[start, end]] = rationale as [[number, number]];
      expect(phrases.spam).toContain(text.slice(start, end));
      expect(label).toBe('spam');
      expect(end).toBeLessThanOrEqual(512);
      const around = text.slice(0, start).trimEnd() + text.slice(end);
      expect(ham[i]!.text.replace(/\s/g, '').startsWith(around.replace(/\s/g, '').slice(0, 400))).toBe(true);
    });
    expect(new Set(texts.map(({ rationale }) => rationale![0]![0])).size).toBeGreaterThan(texts.length / 4);
  });
  test('become tokens of the rationale', async () => {
    const classifier = createModel({
      model_type: 'mamba',
      architectures: ['MambaForSequenceClassification'],
      vocab_size: 256,
      hidden_size: 8,
      num_hidden_layers: 1,
      id2label: { 0: 'ham', 1: 'spam' },
    });
    const kind = getData('planted-text');
    const path = new URL('../../zoo/test/fixtures/mail-sample.jsonl', import.meta.url).pathname;
    const { examples } = await kind.open(kind.options.parse({ path, phrases, count: 3 }), { ...loaded, model: classifier }, place);
    for (const { text, rationale, units, spans, ids } of examples) {
      expect(phrases.spam).toContain(text!.slice(rationale![0], rationale!.at(-1)! + 1));
      expect(units!.flat()).toHaveLength(ids!.length);
      expect(spans).toHaveLength(units!.length);
    }
    classifier.dispose();
  });
});

test('a task of one’s own is known by its name; names are not taken twice', () => {
  expect(() => registerTask(listTasks()[0]!)).toThrow('a task "induction" is registered already');
});
