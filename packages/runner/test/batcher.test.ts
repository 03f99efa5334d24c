import { createModel } from '@hidden-attention/model';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Batcher, createSession, generate, generateAll, RunnerError, type GenerateOptions, type GeneratedToken } from '../src/index.js';
import { tinyModel } from './fixtures/models.js';

const model = tinyModel();
const free = { ignoreEos: true };

async function all(stream: AsyncIterable<GeneratedToken>): Promise<number[]> {
  const ids: number[] = [];
  for await (const { id } of stream) ids.push(id);
  return ids;
}
const alone = async (prompt: number[], options: GenerateOptions, of = model): Promise<number[]> =>
  (await generateAll(of, [prompt], options))[0]!;
const pause = (turns: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, turns));

describe('Batcher', () => {
  test('sequences that come at any time get what each gets alone', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            prompt: fc.array(fc.integer({ min: 0, max: 22 }), { minLength: 1, maxLength: 30 }),
            maxTokens: fc.integer({ min: 1, max: 12 }),
            temperature: fc.constantFrom(0, 1.2),
            seed: fc.nat(99),
            wait: fc.integer({ min: 0, max: 4 }),
          }),
          { minLength: 1, maxLength: 7 },
        ),
        fc.integer({ min: 1, max: 4 }),
        async (requests, maxRows) => {
          using batcher = new Batcher(model, { maxRows, promptPiece: 7 });
          const got = await Promise.all(
            requests.map(async ({ prompt, wait, ...options }) => {
              await pause(wait);
              return all(batcher.submit(prompt, { ...options, ...free }));
            }),
          );
          for (const [at, { prompt, wait: _, ...options }] of requests.entries())
            expect(got[at]).toEqual(await alone(prompt, { ...options, ...free }));
          expect(batcher.size).toBe(0);
        },
      ),
      { numRuns: 12, seed: 4 },
    );
  });

  test.each([
    { model_type: 'gpt2', vocab_size: 23, n_embd: 16, n_layer: 2, n_head: 4, n_positions: 160, initializer_range: 0.4 },
    {
      model_type: 'jamba',
      vocab_size: 23,
      hidden_size: 16,
      num_hidden_layers: 2,
      num_attention_heads: 2,
      intermediate_size: 24,
      attn_layer_period: 2,
      attn_layer_offset: 1,
      initializer_range: 0.4,
    },
  ])('with caches of different lengths: $model_type', async (json) => {
    const own = createModel(json, { seed: 2 });
    using batcher = new Batcher(own, { maxRows: 2 });
    const prompts = [[1, 2, 3, 4, 5, 6, 7], [8], [9, 10, 11]];
    const options = { maxTokens: 40, ...free };
    const got = await Promise.all(prompts.map((prompt) => all(batcher.submit(prompt, options))));
    for (const [at, prompt] of prompts.entries()) expect(got[at]).toEqual(await alone(prompt, options, own));
  });

  test('one that is broken off, or aborted, leaves the others as they are', async () => {
    using batcher = new Batcher(model);
    const stop = new AbortController();
    const long = { maxTokens: 30, ...free };
    const others = [all(batcher.submit([1, 2], long)), all(batcher.submit([3], long))];
    const aborted = all(batcher.submit([4], { ...long, maxTokens: 10000, signal: stop.signal }));
    aborted.catch(() => undefined);
    let count = 0;
    for await (const { row } of batcher.submit([5, 6], { ...long, maxTokens: 10000 })) {
      expect(row).toBe(0);
      if (++count === 3) break;
    }
    stop.abort(new Error('enough'));
    await expect(aborted).rejects.toThrow('enough');
    expect(await Promise.all(others)).toEqual([await alone([1, 2], long), await alone([3], long)]);
    await pause(5);
    expect(batcher.size).toBe(0);
  });

  test('bad requests are refused at once; after dispose all are', async () => {
    const batcher = new Batcher(model);
    expect(() => batcher.submit([99], { maxTokens: 1 })).toThrow(/id 99/);
    expect(() => batcher.submit([], { maxTokens: 1 })).toThrow(/empty/);
    expect(() => batcher.submit([1], { maxTokens: 0 })).toThrow(/maxTokens is 0/);
    expect(() => new Batcher(model, { maxRows: 0 })).toThrow(/maxRows is 0/);
    expect(batcher.size).toBe(0);
    const running = all(batcher.submit([1], { maxTokens: 10000, ...free }));
    batcher.dispose();
    await expect(running).rejects.toThrow(/disposed of while sequences were running/);
    expect(() => batcher.submit([1], { maxTokens: 1 })).toThrow(RunnerError);
  });
});

describe('a session that generates', () => {
  const options = { maxTokens: 12, temperature: 1.1, seed: 3, ...free };
  test('can be forked and saved from between two tokens, and goes on as if it had not been', async () => {
    const expected = await alone([1, 2, 3], options);
    const session = createSession(model);
    await session.append([1, 2, 3]);
    const before = session.fork();
    const forks: { ids: number[]; next: Promise<Float32Array> }[] = [];
    const ids: number[] = [];
    for await (const { id } of session.generate(options)) {
      ids.push(id);
      if (ids.length % 4 === 0) forks.push({ ids: [...ids], next: session.fork().append([7]) });
    }
    expect(ids).toEqual(expected);
    for (const fork of forks) {
      const whole = await createSession(model).append([1, 2, 3, ...fork.ids, 7]);
      const next = await fork.next;
      next.forEach((value, i) => expect(value).toBeCloseTo(whole[i]!, 4));
    }
    expect(await all(before.generate(options))).toEqual(expected);
  });

  test('broken off, it stands where its last token left it', async () => {
    const session = createSession(model);
    await session.append([4, 5]);
    const ids: number[] = [];
    for await (const { id } of session.generate(options)) {
      ids.push(id);
      if (ids.length === 5) break;
    }
    expect(session.length).toBe(7);
    const next = await session.append([6]);
    const whole = await createSession(model).append([4, 5, ...ids, 6]);
    next.forEach((value, i) => expect(value).toBeCloseTo(whole[i]!, 4));
    const rest: GeneratedToken[] = [];
    for await (const token of generate(model, [[4, 5, ...ids, 6]], { maxTokens: 3, ...free })) rest.push(token);
    expect(await all(session.generate({ maxTokens: 3, ...free }))).toEqual(rest.map(({ id }) => id));
  });
});
