import { byteTokenizer } from '@hidden-attention/checkpoint';
import { describe, expect, test } from 'vitest';
import { labelledData, textData, type DataSettings, type Sample } from '../src/index.js';
import { dropInputs } from '../src/data/dropout.js';
import { randomFor, shuffled } from '../src/random.js';
import { fileOf, newFolder, someMail } from './support.js';

const tokenizer = byteTokenizer(256);
const settings: DataSettings = { seed: 3, batchSize: 4, accumulation: 1, length: 10, validation: undefined, cropStart: 0 };
const alphabet = Array.from({ length: 200 }, (_, i) => String.fromCharCode(33 + (i % 90))).join('');
const plain = ({ rows, labels }: Sample): unknown => ({ rows: rows.map((row) => Array.from(row)), labels: [...labels] });
const textOf = (row: ArrayLike<number>): string => Buffer.from(Array.from(row)).toString();

describe('textData', () => {
  test('draws windows of the text, each position labelled with the byte after it', async () => {
    const { training } = await textData([fileOf(alphabet)], tokenizer, settings);
    const { rows, labels } = training.batch(5, 0);
    expect(rows).toHaveLength(4);
    rows.forEach((row, r) => {
      expect(alphabet).toContain(textOf(row));
      expect([...labels.subarray(r * 10, r * 10 + 9)]).toEqual(Array.from(row).slice(1));
    });
    expect(plain(training.batch(5, 0))).toEqual(plain(training.batch(5, 0)));
    expect(plain(training.batch(6, 0))).not.toEqual(plain(training.batch(5, 0)));
  });

  test('two passes of four rows are one of eight', async () => {
    const path = fileOf(alphabet);
    const whole = (await textData([path], tokenizer, { ...settings, batchSize: 8 })).training.batch(2, 0);
    const { training } = await textData([path], tokenizer, { ...settings, accumulation: 2 });
    expect([...training.batch(2, 0).rows, ...training.batch(2, 1).rows].map(textOf)).toEqual(whole.rows.map(textOf));
  });

  test('reads files in the order given, and holds the end out: every byte of it but the first is predicted once', async () => {
    const paths = [fileOf(alphabet.slice(0, 100)), fileOf(alphabet.slice(100))];
    const { heldOut, training, files } = await textData(paths, tokenizer, { ...settings, validation: { fraction: 0.27 } });
    const held = alphabet.slice(146);
    const batches = [...heldOut!.batches()];
    expect(
      batches
        .flatMap(({ labels }) => [...labels])
        .map((id) => String.fromCharCode(id))
        .join(''),
    ).toBe(held.slice(1));
    for (let step = 0; step < 20; step++)
      for (const row of training.batch(step, 0).rows) expect(alphabet.slice(0, 146)).toContain(textOf(row));
    expect(files.map(({ bytes }) => bytes)).toEqual([100, 100]);
  });

  test('an evaluation of two batches is spread over the held-out text', async () => {
    const counted = fileOf(Array.from({ length: 67 }, (_, i) => `${i + 10}-`).join('')); // 20 windows, 3 bytes a number
    const { heldOut } = await textData([counted], tokenizer, { ...settings, batchSize: 2, validation: { file: counted } });
    const rows = [...heldOut!.batches(2)].flatMap((sample) => sample.rows).map(textOf);
    expect(rows).toEqual(['10-11-12-1', '-27-28-29-', '3-44-45-46', '60-61-62-6']); // windows 0, 5, 10, 15: bytes 0, 50, 100, 150
  });

  test.each([
    ['a missing file', async () => '/no/such/text', 'data file /no/such/text does not exist'],
    ['an empty file', async () => fileOf(''), 'is empty'],
    ['a folder', async () => newFolder(), 'cannot be read'],
    ['a text shorter than a window', async () => fileOf('0123456789'), 'has 10 tokens to train on; a window of length 10 needs 11'],
  ])('%s is refused', async (_, path, message) => {
    await expect(textData([await path()], tokenizer, settings)).rejects.toThrow(message);
  });
});

describe('labelledData', () => {
  const labels = ['ham', 'spam'];

  test('gives every text once in a pass, with its label, in another order in the next', async () => {
    const { training } = await labelledData([fileOf(someMail(24))], labels, tokenizer, { ...settings, length: 500 });
    expect(training.stepsPerEpoch).toBe(6);
    const pass = (first: number): string[] =>
      Array.from({ length: 6 }, (_, i) => training.batch(first + i, 0)).flatMap((sample) =>
        sample.rows.map((row, r) => `${labels[sample.labels[r]!]!} ${textOf(row)}`),
      );
    const expected = someMail(24)
      .split('\n')
      .map((line) => JSON.parse(line) as { text: string; label: string })
      .map(({ text, label }) => `${label} ${text}`);
    expect(pass(0).sort()).toEqual(expected.sort());
    expect(pass(6).sort()).toEqual(expected.sort());
    expect(pass(6)).not.toEqual(pass(0));
    expect(pass(0)).toEqual(pass(0));
  });

  test('puts rows of similar length together: little padding', async () => {
    const { training } = await labelledData([fileOf(someMail(400))], labels, tokenizer, { ...settings, batchSize: 8, length: 500 });
    let [padded, needed] = [0, 0];
    for (let step = 0; step < training.stepsPerEpoch; step++) {
      const lengths = training.batch(step, 0).rows.map((row) => row.length);
      padded += Math.max(...lengths) * lengths.length;
      needed += lengths.reduce((a, b) => a + b);
    }
    expect(padded / needed).toBeLessThan(1.1); // 1.6 in random order
  });

  test('mixes labels within a step, though the file is sorted by label and all texts are cut to one length', async () => {
    const sorted = someMail(160)
      .split('\n')
      .sort((a, b) => Number(a.includes('"spam"')) - Number(b.includes('"spam"')))
      .join('\n');
    const { training } = await labelledData([fileOf(sorted)], labels, tokenizer, { ...settings, batchSize: 16, length: 5 });
    for (let step = 0; step < training.stepsPerEpoch; step++) {
      const spam = training.batch(step, 0).labels.reduce((count, label) => count + label, 0);
      expect([0, 16]).not.toContain(spam);
    }
  });

  test('holds lines out at random, though the file is sorted by label', async () => {
    const sorted = someMail(100)
      .split('\n')
      .sort((a, b) => Number(a.includes('"spam"')) - Number(b.includes('"spam"')))
      .join('\n');
    const { heldOut, training } = await labelledData([fileOf(sorted)], labels, tokenizer, { ...settings, validation: { fraction: 0.2 } });
    const held = [...heldOut!.batches()].flatMap((sample) => [...sample.labels]);
    expect(held).toHaveLength(20);
    expect(held.filter((label) => label === 1).length).toBeGreaterThan(3);
    expect(held.filter((label) => label === 1).length).toBeLessThan(17);
    expect(training.stepsPerEpoch).toBe(20);
  });

  test('cuts texts to length, and may leave out a part of their start', async () => {
    const path = fileOf(Array.from({ length: 4 }, () => JSON.stringify({ text: alphabet.slice(0, 90), label: 'ham' })).join('\n'));
    const at = async (cropStart: number): Promise<number[]> => {
      const { training } = await labelledData([path], labels, tokenizer, { ...settings, cropStart });
      return training.batch(0, 0).rows.map((row) => {
        expect(row.length).toBe(10);
        return alphabet.indexOf(textOf(row));
      });
    };
    expect(await at(0)).toEqual([0, 0, 0, 0]);
    const starts = await at(0.5);
    expect(new Set(starts).size).toBeGreaterThan(1);
    expect(Math.max(...starts)).toBeLessThan(45);
  });

  test('fewer texts than a step has rows make one step', async () => {
    const { training } = await labelledData([fileOf(someMail(5))], labels, tokenizer, { ...settings, batchSize: 4, accumulation: 2 });
    expect(training.stepsPerEpoch).toBe(1);
    expect([0, 1].flatMap((part) => training.batch(0, part).rows)).toHaveLength(5);
  });

  test.each([
    ['{"text": "a", "label": "junk"}', ':2: the label is "junk"; id2label of the model has: ham, spam'],
    ['{"text": "", "label": "ham"}', ':2: text: '],
    ['{"text": "a"}', ':2: label: '],
    ['text,label', ':2 is not JSON'],
    ['["a", "ham"]', ':2: the line: '],
  ])('the line %s is refused by file and number', async (line, message) => {
    await expect(labelledData([fileOf(`{"text": "a", "label": "ham"}\n${line}\n`)], labels, tokenizer, settings)).rejects.toThrow(message);
  });

  test('blank lines are no examples', async () => {
    await expect(labelledData([fileOf('\n \n')], labels, tokenizer, settings)).rejects.toThrow('no examples');
  });
});

test('dropInputs replaces about the share asked for and leaves labels and the sample alone', () => {
  const sample = { rows: [new Uint8Array(4000)], labels: Int32Array.of(1) };
  const dropped = dropInputs(sample, 0.25, 256, randomFor(1));
  const changed = Array.from(dropped.rows[0]!).filter((id) => id !== 0).length;
  expect(changed / 4000).toBeGreaterThan(0.22);
  expect(changed / 4000).toBeLessThan(0.28);
  expect(sample.rows[0]!.every((id) => id === 0)).toBe(true);
  expect(dropped.labels).toBe(sample.labels);
  expect(dropInputs(sample, 0, 256, randomFor(1))).toBe(sample);
});

test('shuffled is a permutation that the key alone decides', () => {
  const order = shuffled(100, randomFor(1, 2));
  expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i));
  expect(shuffled(100, randomFor(1, 2))).toEqual(order);
  expect(shuffled(100, randomFor(1, 3))).not.toEqual(order);
});
