import { byteTokenizer } from '@hidden-attention/checkpoint';
import { createModel, ModelError, type Model } from '@hidden-attention/model';
import { Tensor } from '@hidden-attention/tensor';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { argmax, generate, generateAll, RunnerError, type GeneratedToken, type GenerateOptions } from '../src/index.js';
import { tiny, tinyModel } from './fixtures/models.js';

const model = tinyModel();
const prompts = [[1, 2, 3, 4, 5, 6], [7], [8, 9, 10]];
const free = { ignoreEos: true };

async function tokensOf(own: Model, rows: number[][], options: GenerateOptions): Promise<GeneratedToken[]> {
  const tokens: GeneratedToken[] = [];
  for await (const token of generate(own, rows, options)) tokens.push(token);
  return tokens;
}

/** Greedy by the definition: the whole text through the model for every token. */
async function greedy(row: number[], count: number): Promise<number[]> {
  const all = [...row];
  for (let i = 0; i < count; i++) all.push(argmax(await model.forward(model.batch([all]), { logits: 'last' }).logits!.read()));
  return all.slice(row.length);
}

describe('generate', () => {
  test('carried state gives what reading the whole text again for every token gives', async () => {
    for (const [r, row] of (await generateAll(model, prompts, { ...free, maxTokens: 12 })).entries())
      expect(row).toEqual(await greedy(prompts[r]!, 12));
  });

  test('a row of a batch is the row alone, greedy', async () => {
    const together = await generateAll(model, prompts, { maxTokens: 10, ...free });
    for (const [r, prompt] of prompts.entries())
      expect(await generateAll(model, [prompt], { maxTokens: 10, ...free })).toEqual([together[r]]);
  });

  test('a row of a batch is the row alone with seed + row, whatever the others are', async () => {
    const options = { maxTokens: 10, temperature: 1.5, topP: 0.95, ...free };
    const together = await generateAll(model, prompts, { ...options, seed: 40 });
    for (const [r, prompt] of prompts.entries())
      expect(await generateAll(model, [prompt], { ...options, seed: 40 + r })).toEqual([together[r]]);
    expect(await generateAll(model, [prompts[0]!, [11, 12], [13]], { ...options, seed: 40 })).toHaveProperty('0', together[0]);
  });

  test('the same seed gives the same tokens, another seed others; rows of one prompt differ', async () => {
    const options = { maxTokens: 30, temperature: 2, ...free };
    const rows = [
      [1, 2],
      [1, 2],
    ];
    const first = await generateAll(model, rows, { ...options, seed: 5 });
    expect(await generateAll(model, rows, { ...options, seed: 5 })).toEqual(first);
    expect(await generateAll(model, rows, { ...options, seed: 6 })).not.toEqual(first);
    expect(first[0]).not.toEqual(first[1]);
  });

  test('first draws of seeds that follow each other are spread evenly', async () => {
    const flat = createModel({ ...tiny, vocab_size: 8, tie_word_embeddings: true });
    const { shape } = flat.parameter('backbone.embeddings.weight');
    (flat.parameters as Map<string, Tensor>).set('backbone.embeddings.weight', Tensor.full(shape, 0)); // all logits are 0
    const firsts = (
      await generateAll(
        flat,
        Array.from({ length: 800 }, () => [1]),
        { maxTokens: 1, temperature: 1, ...free },
      )
    ).map(([id]) => id!);
    const statistic = [0, 1, 2, 3, 4, 5, 6, 7].reduce(
      (sum, id) => sum + (firsts.filter((first) => first === id).length - 100) ** 2 / 100,
      0,
    );
    expect(statistic).toBeLessThan(24.3); // χ² of 7 degrees of freedom: 1 in 1,000
  });

  test('tokens come step by step, in the order of the rows', async () => {
    const tokens = await tokensOf(model, prompts, { maxTokens: 3, ...free });
    expect(tokens.map(({ row }) => row)).toEqual([0, 1, 2, 0, 1, 2, 0, 1, 2]);
    expect(tokens.map(({ finished }) => finished)).toEqual([...Array<undefined>(6).fill(undefined), 'length', 'length', 'length']);
  });
});

describe('endings', () => {
  const plain = { maxTokens: 40, ...free };

  test('an end-of-sequence id ends its row, counts among its tokens, and leaves the other rows as they are', async () => {
    const full = await generateAll(model, prompts, plain);
    const end = full[0]![4]!;
    const cut = (row: number[]): number[] => (row.includes(end) ? row.slice(0, row.indexOf(end) + 1) : row);
    const tokens = await tokensOf(model, prompts, { maxTokens: 40, endOfSequence: [end] });
    for (const [r, row] of full.entries()) {
      const own = tokens.filter((token) => token.row === r);
      expect(own.map(({ id }) => id)).toEqual(cut(row));
      expect(own.at(-1)!.finished).toBe(cut(row).at(-1) === end ? 'end' : 'length');
      expect(own.slice(0, -1).every(({ finished }) => finished === undefined)).toBe(true);
    }
  });

  test("the model's own end-of-sequence id counts unless ignored; stopIds count in any case", async () => {
    const [full] = await generateAll(model, [[1, 2, 3]], plain);
    const id = full!.find((candidate, i) => i > 0 && full!.indexOf(candidate) === i)!;
    const ended = createModel({ ...tiny, eos_token_id: id }, { seed: 2 });
    const until = full!.slice(0, full!.indexOf(id) + 1);
    expect(await generateAll(ended, [[1, 2, 3]], { maxTokens: 40 })).toEqual([until]);
    expect(await generateAll(ended, [[1, 2, 3]], plain)).toEqual([full]);
    const stopped = await tokensOf(ended, [[1, 2, 3]], { ...plain, stopIds: [id] });
    expect(stopped.map((token) => token.id)).toEqual(until);
    expect(stopped.at(-1)!.finished).toBe('stop');
  });

  test('text comes with the tokens where a tokenizer is given, whole characters only', async () => {
    const bytes = tinyModel({ vocab_size: 256 });
    const rows = [[200, 201], [5]];
    const tokens = await tokensOf(bytes, rows, { maxTokens: 50, temperature: 5, tokenizer: byteTokenizer(), ...free });
    for (const r of [0, 1]) {
      const own = tokens.filter(({ row }) => row === r);
      expect(own.map(({ text }) => text).join('')).toBe(byteTokenizer().decode(own.map(({ id }) => id)));
    }
  });
});

describe('abort', () => {
  test('ends the stream with the reason of the signal, between two steps', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const seen: number[] = [];
    const run = async (): Promise<void> => {
      for await (const { id } of generate(model, [[1]], { maxTokens: 1000, ...free, signal: controller.signal }))
        if (seen.push(id) === 3) controller.abort(reason);
    };
    await expect(run()).rejects.toBe(reason);
    expect(seen).toHaveLength(3);
  });

  test('a signal that has come already stops before the prompt is read', async () => {
    await expect(generateAll(model, [[1]], { maxTokens: 1, signal: AbortSignal.abort(new Error('before')) })).rejects.toThrow('before');
  });
});

test('the event loop turns between steps', async () => {
  let turns = 0;
  const timer = setInterval(() => turns++, 0);
  await generateAll(model, [[1]], { maxTokens: 3000, ...free });
  clearInterval(timer);
  expect(turns).toBeGreaterThan(5);
});

test('a long prompt is read in passes; what comes after it is the same', async () => {
  const long = Array.from({ length: 5000 }, (_, i) => (i * i + 3) % 23);
  const rows = [long, [1, 2], long.slice(0, 2300), long.slice(7, 707)];
  const { logits } = model.forward(model.batch(rows), { logits: 'last' });
  const numbers = await logits!.read();
  const firsts = await generateAll(model, rows, { maxTokens: 1, ...free });
  expect(firsts).toEqual(rows.map((_, r) => [argmax(numbers.subarray(23 * r, 23 * (r + 1)))]));
  const together = await generateAll(model, rows, { maxTokens: 8, ...free });
  for (const [r, row] of rows.entries()) expect(await generateAll(model, [row], { maxTokens: 8, ...free })).toEqual([together[r]]);
});

test('any prompts, any sizes: as many tokens as asked for, all of them ids', async () => {
  const row = fc.array(fc.integer({ min: 0, max: 22 }), { minLength: 1, maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(
      fc.array(row, { minLength: 1, maxLength: 5 }),
      fc.integer({ min: 1, max: 5 }),
      fc.nat(),
      async (rows, maxTokens, seed) => {
        const all = await generateAll(model, rows, { maxTokens, seed, temperature: 3, ...free });
        expect(all.map((tokens) => tokens.length)).toEqual(rows.map(() => maxTokens));
        expect(all.flat().every((id) => Number.isInteger(id) && id >= 0 && id < 23)).toBe(true);
      },
    ),
    { numRuns: 15 },
  );
});

test.each([
  [{ maxTokens: 0 }, /maxTokens is 0; a whole number of at least 1/],
  [{ maxTokens: 1.5 }, /maxTokens is 1\.5/],
  [{ temperature: -1 }, /temperature is -1; a number of at least 0/],
  [{ temperature: NaN }, /temperature is NaN/],
  [{ topK: 0 }, /topK is 0/],
  [{ topP: 0 }, /topP is 0; a number above 0 and up to 1/],
  [{ topP: 1.1 }, /topP is 1\.1/],
  [{ repetitionPenalty: 0 }, /repetitionPenalty is 0/],
  [{ seed: 0.5 }, /seed is 0\.5/],
  [{ seed: -1 }, /seed is -1/],
  [{ stopIds: [3, 23] }, /stopIds is 3, 23; a list of ids from 0 to 22/],
  [{ endOfSequence: [-1] }, /endOfSequence is -1/],
])('refuses %j at once', (options, message) => {
  expect(() => generate(model, [[1]], { maxTokens: 1, ...options })).toThrow(message);
  expect(() => generate(model, [[1]], { maxTokens: 1, ...options })).toThrow(RunnerError);
});

test('refuses bad prompts and models without a language-model head at once', () => {
  expect(() => generate(model, [], { maxTokens: 1 })).toThrow(ModelError);
  expect(() => generate(model, [[1], []], { maxTokens: 1 })).toThrow(/row 1 of the input is empty/);
  expect(() => generate(model, [[23]], { maxTokens: 1 })).toThrow(/id 23 .* out of range/);
  const classifier = tinyModel({ architectures: ['MambaForSequenceClassification'], num_labels: 2 });
  expect(() => generate(classifier, [[1]], { maxTokens: 1 })).toThrow(/is a classifier/);
});
