import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { train } from '../src/index.js';
import { fileOf, newFolder, recipe, smallClassifier, someText } from './support.js';

const short = { ...recipe, steps: 3, evaluateEvery: 2 };

describe('what cannot be trained is refused before any work', () => {
  test.each([
    ['no data', short, [], 'no training data'],
    ['a missing file', short, ['/no/such/file'], 'data file /no/such/file does not exist'],
    [
      'a model that cannot do the task',
      { ...short, model: smallClassifier },
      undefined,
      'task language-modelling needs a language-model; model.architectures makes a classifier',
    ],
    [
      'a vocabulary too small for bytes',
      { ...short, model: { ...recipe.model, vocab_size: 100 } },
      undefined,
      'tokenizer "byte" needs model.vocab_size 256; it is 100',
    ],
    [
      'specials that are not declared',
      { ...short, model: { ...recipe.model, vocab_size: 258, special_tokens: ['<end>'] } },
      undefined,
      'needs model.vocab_size 257 (256 and special_tokens); it is 258',
    ],
    ['a broken model', { ...short, model: { ...recipe.model, hidden_size: 0 } }, undefined, 'hidden_size is 0'],
    ['a missing tokenizer', { ...short, tokenizer: '/no/tokenizer.json' }, undefined, '/no/tokenizer.json'],
  ])('%s', async (_, config, data, message) => {
    const out = join(newFolder(), 'out');
    await expect(train({ config, data: data ?? [fileOf(someText(100))], out })).rejects.toThrow(message);
    expect(existsSync(out)).toBe(false);
  });

  test('an output folder whose place is a file', async () => {
    const out = join(fileOf('text'), 'out');
    await expect(train({ config: short, data: [fileOf(someText(100))], out })).rejects.toThrow(
      `the output folder ${out} cannot be written`,
    );
  });

  test.skipIf(process.getuid?.() === 0)('an output folder without the right to write', async () => {
    const out = newFolder();
    chmodSync(out, 0o500);
    await expect(train({ config: short, data: [fileOf(someText(100))], out })).rejects.toThrow('cannot be written');
  });

  test('a folder with a model of something else stays as it is', async () => {
    const out = newFolder();
    writeFileSync(join(out, 'config.json'), '{}');
    await expect(train({ config: short, data: [fileOf(someText(100))], out })).rejects.toThrow(
      'holds a model that is not of this training',
    );
    expect(readdirSync(out)).toEqual(['config.json']);
  });
});

describe('resuming', () => {
  const interrupted = (): AbortSignal => AbortSignal.abort();

  test('needs something to resume', async () => {
    const data = [fileOf(someText(100))];
    await expect(train({ config: short, data, out: newFolder(), resume: true })).rejects.toThrow('holds no training to resume');
  });

  test('a begun training is not begun again, nor gone on with by another recipe or other data', async () => {
    const [data, out] = [fileOf(someText(100)), newFolder()];
    expect(await train({ config: short, data: [data], out, signal: interrupted() })).toEqual({
      reason: 'interrupted',
      step: 0,
      evaluation: null,
    });
    await expect(train({ config: short, data: [data], out })).rejects.toThrow('go on with --resume');
    const other = { ...short, learningRate: 0.5, model: { ...recipe.model, hidden_size: 24 } };
    await expect(train({ config: other, data: [data], out, resume: true })).rejects.toThrow(
      'was begun with another recipe: model.hidden_size (16, now 24); learningRate (0.01, now 0.5)',
    );
    await expect(train({ config: short, data: [fileOf(someText(101))], out, resume: true })).rejects.toThrow(
      'was begun with other data: data.txt',
    );
    expect((await train({ config: short, data: [data], out, resume: true })).reason).toBe('finished');
  });

  test('a finished training is not begun again; resuming it changes nothing', async () => {
    const [data, out] = [fileOf(someText(100)), newFolder()];
    const result = await train({ config: short, data: [data], out });
    const summary = readFileSync(join(out, 'training.json'), 'utf8');
    await expect(train({ config: short, data: [data], out })).rejects.toThrow('holds a finished training');
    expect(await train({ config: short, data: [data], out, resume: true })).toEqual(result);
    expect(readFileSync(join(out, 'training.json'), 'utf8')).toBe(summary);
  });

  test('a training that was killed before its first checkpoint begins again', async () => {
    const [data, out] = [fileOf(someText(100)), newFolder()];
    writeFileSync(join(out, 'log.jsonl'), '{"step":1,"lo');
    expect((await train({ config: short, data: [data], out, resume: true })).reason).toBe('finished');
  });
});
