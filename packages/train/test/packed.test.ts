import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { byteTokenizer, loadModel } from '@hidden-attention/checkpoint';
import { createModel } from '@hidden-attention/model';
import { exampleData } from '../src/data/examples.js';
import { packed } from '../src/data/pack.js';
import { lossAndGradients, parseTrainConfig, train } from '../src/index.js';
import { fileOf, newFolder, recipe, smallModel } from './support.js';

test('every text stands in one row, and no row is too long', () =>
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 60 }), fc.integer({ min: 0 }), (lengths, seed) => {
      const rows = packed(lengths, 30, seed);
      expect(rows.flat().sort((a, b) => a - b)).toEqual(lengths.map((_, at) => at));
      for (const row of rows) expect(row.reduce((sum, at) => sum + lengths[at]!, 0)).toBeLessThanOrEqual(30);
      const total = lengths.reduce((sum, length) => sum + length, 0);
      if (rows.length > 1) expect(total).toBeGreaterThan((rows.length / 2 - 1) * 30); // at most one row is less than half full
      expect(packed(lengths, 30, seed)).toEqual(rows);
    }),
    { seed: 1, numRuns: 100 },
  ));

describe('packed: true', () => {
  const lines = Array.from({ length: 40 }, (_, i) => JSON.stringify({ text: 'the scan runs fast'.slice(0, 3 + ((i * 7) % 15)) })).join(
    '\n',
  );
  const settings = { seed: 3, batchSize: 2, accumulation: 1, length: 40, validation: undefined, cropStart: 0 };
  const reader = { tokenizer: byteTokenizer(256), chat: null, end: 0 };

  test('puts short texts together: the loss and gradients are those of the texts in rows of their own', async () => {
    const { training } = await exampleData([fileOf(lines, 'data.jsonl')], reader, { ...settings, packed: true });
    expect(training.stepsPerEpoch).toBeLessThan(10);
    const model = createModel(smallModel, { seed: 1 });
    const sample = training.batch(0, 0);
    expect(sample.texts!.flat().length).toBeGreaterThan(4);
    const alone = sample.rows!.flatMap((row, r) => {
      let at = 0;
      const length = sample.labels.length / sample.rows!.length;
      return sample.texts![r]!.map((each) => {
        const own = {
          rows: [Array.prototype.slice.call(row, at, at + each) as number[]],
          labels: sample.labels.slice(r * length + at, r * length + at + each),
        };
        at += each;
        return own;
      });
    });
    const [one, each] = [lossAndGradients(model, [sample]), lossAndGradients(model, alone)];
    expect(await one.loss.item()).toBeCloseTo(await each.loss.item(), 5);
    for (const [i, gradient] of one.gradients.entries()) {
      const [a, b] = [await gradient.read(), await each.gradients[i]!.read()];
      const largest = a.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      a.forEach((value, at) => expect(Math.abs(value - b[at]!)).toBeLessThanOrEqual(2e-5 * largest + 1e-9));
    }
  });

  test('trains, with fewer rows', async () => {
    const out = newFolder();
    const { validation: _, ...rest } = recipe;
    const result = await train({ config: { ...rest, packed: true, length: 40 }, data: [fileOf(lines, 'data.jsonl')], out });
    expect(result.reason).toBe('finished');
    (await loadModel(out)).model.dispose();
  });

  test('is refused where it means nothing', async () => {
    expect(() => parseTrainConfig({ ...recipe, task: 'classification', packed: true })).toThrow(
      /packed is true: it is for language modelling only/,
    );
    expect(() => parseTrainConfig({ ...recipe, packed: true, chunk: { positions: 8 } })).toThrow(/packed rows are read at once/);
    const text = fileOf('a text, and no lines of JSON. '.repeat(20));
    await expect(train({ config: { ...recipe, packed: true }, data: [text], out: newFolder() })).rejects.toThrow(
      /packed is for JSON lines/,
    );
  });
});
