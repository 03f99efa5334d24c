import { expect, test } from 'vitest';
import { Batcher, createSession, generate, generateAll } from '../src/index.js';
import { tinyModel } from './fixtures/models.js';

// In a file of its own: here nothing but the tests' own work holds memory on the device, and nothing is left to the collector.
const model = tinyModel();
const prompts = [[1, 2, 3], [4], [5, 6]];
const held = (): number => model.device.memory().live;
const start = held();

test('2,000 steps hold memory flat, and leave nothing', async () => {
  const seen = new Set<number>();
  let count = 0;
  for await (const { row } of generate(model, [[1, 2, 3]], { maxTokens: 2000, ignoreEos: true })) {
    count += 1 + row;
    if (count > 2) seen.add(held()); // the first token comes from reading the prompt, the second from a step that is being recorded
  }
  expect(count).toBe(2000);
  expect(seen.size).toBe(1);
  expect(held()).toBe(start);
});

test('rows that end at different times leave nothing', async () => {
  await generateAll(model, prompts, { maxTokens: 50, temperature: 3, stopIds: [1, 2, 3, 4], ignoreEos: true });
  expect(held()).toBe(start);
});

test('prompts that are read in several passes leave nothing', async () => {
  const rows = [5000, 1, 2300].map((length) => new Int32Array(length).fill(3));
  await generateAll(model, rows, { maxTokens: 2, ignoreEos: true });
  expect(held()).toBe(start);
});

test('breaking out of the loop frees everything', async () => {
  for await (const { id } of generate(model, prompts, { maxTokens: 100, ignoreEos: true })) if (id >= 0) break;
  expect(held()).toBe(start);
});

test('an abort is heard between the passes that read a long prompt, and frees everything', async () => {
  const controller = new AbortController();
  const reading = generateAll(model, [new Int32Array(200_000).fill(3), [1]], { maxTokens: 1, signal: controller.signal });
  setTimeout(() => controller.abort(new Error('while reading')), 20);
  await expect(reading).rejects.toThrow('while reading');
  expect(held()).toBe(start);
});

test('memory does not grow with the length of a prompt', async () => {
  const peakOf = async (length: number): Promise<number> => {
    model.device.memory({ resetPeak: true });
    await generateAll(model, [new Int32Array(length).fill(3)], { maxTokens: 1 });
    return model.device.memory().peak;
  };
  const short = await peakOf(4096);
  // the ids alone grow, which are checked as one batch first
  expect(await peakOf(65_536)).toBeLessThan(short + 2 * 4 * 65_536);
});

test('500 appends to a session hold memory flat; dispose gives it back, also after a failure', async () => {
  const session = createSession(model);
  await session.append([1]);
  const own = held();
  for (let i = 0; i < 500; i++) await session.append([i % 23]);
  expect(held()).toBe(own);
  await expect(session.append([23])).rejects.toThrow(/out of range/);
  const fork = session.fork();
  expect(held()).toBe(own); // a fork shares the state until one of them goes on
  session.dispose();
  fork.dispose();
  expect(held()).toBe(start);
});

test('tokens of a session hold memory flat; what it ends in is freed, also where it is left, forked or fails on the way', async () => {
  const session = createSession(model);
  await session.append([1]);
  const own = held();
  const seen = new Set<number>();
  let count = 0;
  for await (const { id } of session.generate({ maxTokens: 500, ignoreEos: true })) {
    expect(id).toBeLessThan(23);
    if (++count > 1) seen.add(held());
    if (count === 250) session.fork().dispose();
  }
  expect(seen.size).toBe(1);
  expect(held()).toBe(own);
  for await (const { id } of session.generate({ maxTokens: 500, ignoreEos: true })) if (id >= 0) break;
  expect(held()).toBe(own);
  const failing = {
    decoder: () => ({
      push: (): string => {
        throw new TypeError('no text');
      },
      end: () => '',
    }),
  };
  await expect(session.generate({ maxTokens: 5, tokenizer: failing }).next()).rejects.toThrow(TypeError);
  expect(held()).toBe(own);
  session.dispose();
  expect(held()).toBe(start);
});

test('a batcher holds nothing when its requests have ended, were left, or it is disposed of while they run', async () => {
  const batcher = new Batcher(model, { maxRows: 2, promptPiece: 100 });
  const endless = { maxTokens: 1_000_000, ignoreEos: true };
  const idle = async (): Promise<void> => {
    while (held() > start) await new Promise((resolve) => setImmediate(resolve));
  };
  for await (const { id } of batcher.submit([1, 2], endless)) if (id >= 0) break;
  await idle();
  const all = [[1], new Int32Array(1000).fill(3), [4, 5]].map(async (prompt) => {
    let count = 0;
    for await (const { id } of batcher.submit(prompt, { maxTokens: 20, ignoreEos: true })) count += Math.sign(id + 1);
    return count;
  });
  expect(await Promise.all(all)).toEqual([20, 20, 20]);
  await idle();
  const streams = [[1], new Int32Array(1_000_000).fill(3), [2]].map((prompt) => batcher.submit(prompt, endless));
  await streams[0]!.next();
  expect(held()).toBeGreaterThan(start);
  await batcher.dispose();
  expect(held()).toBe(start);
});
