import { join } from 'node:path';
import { byteTokenizer, chatTemplate, loadModel } from '@hidden-attention/checkpoint';
import { createModel } from '@hidden-attention/model';
import { describe, expect, test } from 'vitest';
import { exampleData } from '../src/data/examples.js';
import { train } from '../src/index.js';
import { totalLoss } from '../src/loss.js';
import { fileOf, newFolder, recipe, smallModel, weightsIn } from './support.js';

const tokenizer = byteTokenizer(256);
const settings = { seed: 3, batchSize: 2, accumulation: 1, length: 40, validation: undefined, cropStart: 0 };
const chat = chatTemplate(
  'here',
  '{% for m in messages %}<{{ m.role[0] }}>{{ m.content }}\n{% endfor %}{% if add_generation_prompt %}<a>{% endif %}',
);
const lines = (...objects: object[]): string => fileOf(objects.map((object) => JSON.stringify(object)).join('\n'), 'data.jsonl');
const reader = { tokenizer, chat, end: 0 };

/** What is read and what is learnt of it, as texts; what is not learnt as dots. */
async function learnt(path: string, change: object = {}): Promise<string[]> {
  const { training } = await exampleData([path], { ...reader, ...change }, settings);
  const seen: string[] = [];
  for (let step = 0; step < training.stepsPerEpoch; step++) {
    const { rows, labels } = training.batch(step, 0);
    const length = labels.length / rows!.length;
    rows!.forEach((row, r) => {
      const own = labels.subarray(r * length, (r + 1) * length);
      expect([...own.subarray(row.length)].every((label) => label === -1)).toBe(true);
      const text = Array.from(own.subarray(0, row.length), (label) => (label < 0 ? '.' : label === 0 ? '$' : String.fromCharCode(label)));
      seen.push(`${String.fromCharCode(row[0]!)}|${text.join('')}`);
    });
  }
  return seen.sort();
}

describe('what is learnt of a line', () => {
  test('all of a text, the completion alone, what the assistant says; then the end', async () => {
    expect(await learnt(lines({ text: 'abc' }, { text: 'de' }))).toEqual(['a|bc$', 'd|e$']);
    expect(await learnt(lines({ prompt: 'ab', completion: 'cd' }, { prompt: 'x', completion: 'y', more: 1 }))).toEqual(['a|.cd$', 'x|y$']);
    const messages = [
      { role: 'user', content: 'Hi' },
      { role: 'assistant', content: 'Yo' },
      { role: 'user', content: 'q' },
      { role: 'assistant', content: 'r' },
    ];
    expect(await learnt(lines({ messages }, { messages: messages.slice(0, 2) }))).toEqual(['<|........Yo\n', '<|........Yo\n........r\n']);
  });

  test('a model without an end of sequence has none; long lines are cut, those cut before what is learnt left out', async () => {
    expect(await learnt(lines({ text: 'abc' }, { text: 'de' }), { end: undefined })).toEqual(['a|bc', 'd|e']);
    const path = lines({ prompt: 'p'.repeat(60), completion: 'c' }, { text: 'x'.repeat(100) }, { text: 'yz' });
    expect(await learnt(path)).toEqual([`x|${'x'.repeat(40)}`, 'y|z$']);
  });

  test.each([
    ['{"text"', /data\.jsonl:1 is not JSON/],
    ['{"txt":"a"}', /data\.jsonl:1: a line is \{"text"/],
    ['{"text":""}', /no text empty/],
    ['{"messages":[{"role":"user","content":"x"}]}', /data\.jsonl:1: no message is the assistant's/],
  ])('refuses %s', async (line, message) => {
    await expect(exampleData([fileOf(line, 'data.jsonl')], reader, settings)).rejects.toThrow(message);
  });

  test('refuses conversations without a template, and templates that do not write turn after turn', async () => {
    const messages = [
      { role: 'user', content: 'x' },
      { role: 'assistant', content: 'y' },
    ];
    await expect(exampleData([lines({ messages })], { ...reader, chat: null }, settings)).rejects.toThrow(/no chat template/);
    const backwards = chatTemplate('there', '{% for m in messages | reverse %}{{ m.content }}{% endfor %}');
    await expect(exampleData([lines({ messages })], { ...reader, chat: backwards }, settings)).rejects.toThrow(
      /does not write turns one after another/,
    );
  });
});

test('padding and what is not learnt do not change the loss', async () => {
  const model = createModel(smallModel, { seed: 1 });
  const sample = { rows: [[1, 2, 3], [4]], labels: Int32Array.of(2, -1, 5, 7, -1, -1) };
  const both = await totalLoss(model, sample).item();
  const first = await totalLoss(model, { rows: [[1, 2, 3]], labels: Int32Array.of(2, -1, 5) }).item();
  const second = await totalLoss(model, { rows: [[4]], labels: Int32Array.of(7) }).item();
  expect(both).toBeCloseTo(first + second, 4);
});

test('fine-tunes on prompts and completions until it answers, resumes with the same bits', async () => {
  const pairs = Array.from({ length: 40 }, (_, i) => ({ prompt: `${i % 4}?`, completion: 'abcd'[i % 4]! }));
  const data = [lines(...pairs)];
  const config = { ...recipe, model: { ...smallModel, eos_token_id: 0 }, steps: 60, learningRate: 0.02, evaluateEvery: 30 };
  const [whole, parts] = [newFolder(), newFolder()];
  const { evaluation } = await train({ config, data, out: whole });
  expect(evaluation!.loss).toBeLessThan(0.2);
  const stop = new AbortController();
  await train({ config, data, out: parts, signal: stop.signal, onProgress: ({ step }) => step === 11 && stop.abort() });
  await train({ config, data, out: parts, resume: true });
  expect(weightsIn(parts).equals(weightsIn(whole))).toBe(true);

  const from = await loadModel(whole);
  const messages = {
    messages: [
      { role: 'user', content: '1' },
      { role: 'assistant', content: 'z' },
    ],
  };
  const { model: _, ...tune } = recipe;
  const result = await train({
    from: { ...from, chat },
    config: { ...tune, steps: 3, validation: undefined },
    data: [lines(messages, messages)],
    out: join(newFolder(), 'x'),
  });
  expect(result.step).toBe(3);
  await expect(train({ config, data: [...data, fileOf('text')], out: newFolder() })).rejects.toThrow(/train on one kind/);
});
