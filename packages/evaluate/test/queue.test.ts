// Sweeps over workers, with a real Redis: kills, pauses and restarts change nothing in the result.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import {
  comparable,
  coordinate,
  failed,
  parseSweep,
  queueStatus,
  readResults,
  runSweep,
  runWorker,
  version,
  type SweepProgress,
  type SweepResult,
} from '@hidden-attention/evaluate';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { hasRedis, TestRedis, TestWorker } from './redis.js';
import { smallFolder, smallSweep } from './small-sweep.js';

/** The others run with HIDDEN_ATTENTION_LONG: npm run test:long. */
const long = Boolean(process.env['HIDDEN_ATTENTION_LONG']);

const sweepOf = (change: object = {}): ReturnType<typeof parseSweep> => parseSweep({ ...smallSweep(), shard: 1, ...change });

let folder: string;
let expected: unknown[];
const workers: TestWorker[] = [];
const redises: TestRedis[] = [];
beforeAll(async () => {
  if (!hasRedis) return;
  folder = await smallFolder();
  expected = comparable((await runSweep(sweepOf(), { out: out(), folder })).rows);
}, 120_000);
afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.stop()));
  await Promise.all(redises.splice(0).map((redis) => redis.stop()));
}, 60_000);
afterAll(() => folder && rmSync(folder, { recursive: true, force: true }));
const out = (): string => mkdtempSync(join(folder, 'out-'));
const start = async (options?: Parameters<typeof TestRedis.start>[0]): Promise<TestRedis> => {
  const redis = await TestRedis.start(options);
  redises.push(redis);
  return redis;
};
const help = (redis: TestRedis, ...flags: string[]): TestWorker => {
  const worker = new TestWorker(redis.url, flags);
  workers.push(worker);
  return worker;
};

/** Runs the sweep by the queue; `events` happen once when so large a share of the rows is there. */
async function coordinated(
  redis: TestRedis,
  events: readonly (readonly [share: number, event: () => unknown])[] = [],
  more: object = {},
): Promise<SweepResult & { out: string; notes: Set<string> }> {
  const left = [...events];
  const notes = new Set<string>();
  const folderOut = out();
  const onProgress = ({ done, total, note }: SweepProgress): void => {
    if (note) notes.add(note);
    while (left.length > 0 && done / total >= left[0]![0]) left.shift()![1]();
  };
  const result = await coordinate(sweepOf(), { queue: redis.url, out: folderOut, folder, onProgress, ...more });
  expect(left).toEqual([]);
  return { ...result, out: folderOut, notes };
}

describe.runIf(hasRedis)('a sweep over a queue', { timeout: 240_000 }, () => {
  test('gives what one process gives, over two workers of which both are killed in the middle, behind a password', async () => {
    const redis = await start({ password: 'secret' });
    const [first, second] = [help(redis), help(redis)];
    const result = await coordinated(redis, [
      [0.1, () => (first.kill(), help(redis))],
      [0.3, () => (second.kill(), help(redis))],
    ]);
    expect(result.reason).toBe('done');
    expect(comparable(result.rows)).toEqual(expected);
    const { rows } = (await readResults(join(result.out, 'results.jsonl')))!;
    expect(rows).toHaveLength(expected.length); // each once
    expect((await queueStatus(redis.url)).sweeps).toEqual([]);
  });

  test.each([['empty', false] as const, ...(long ? [['with its append-only file', true] as const] : [])])(
    'and when Redis is killed and comes back %s',
    async (_, appendOnly) => {
      const redis = await start({ appendOnly });
      help(redis);
      const restart = async (): Promise<void> => {
        await redis.kill();
        await new Promise((resolve) => setTimeout(resolve, 500));
        await redis.start();
      };
      const result = await coordinated(redis, [[0.2, restart]]);
      expect(comparable(result.rows)).toEqual(expected);
      expect([...result.notes]).toEqual(expect.arrayContaining(['Redis is away; waiting for it', 'Redis is back']));
    },
  );

  test.runIf(long).each([['empty', false] as const, ['with its append-only file', true] as const])(
    'and over four workers of which two are killed, and with them Redis, which comes back %s',
    async (_, appendOnly) => {
      const redis = await start({ appendOnly });
      const four = Array.from({ length: 4 }, () => help(redis));
      const restart = async (): Promise<void> => {
        await redis.kill();
        await redis.start();
      };
      const result = await coordinated(redis, [
        [0.1, () => four[0]!.kill()],
        [0.3, restart],
        [0.5, () => four[1]!.kill()],
      ]);
      const { rows } = (await readResults(join(result.out, 'results.jsonl')))!;
      expect(rows).toHaveLength(expected.length);
      expect(comparable(rows)).toEqual(expected);
    },
  );

  test.runIf(long)('and when Redis stands still for a while', async () => {
    const redis = await start();
    help(redis);
    const pause = (): unknown => (redis.pause(), setTimeout(() => redis.goOn(), 3000));
    expect(comparable((await coordinated(redis, [[0.2, pause]])).rows)).toEqual(expected);
  });

  test('goes on where it was interrupted, and says how far it is', async () => {
    const redis = await start();
    help(redis);
    const stop = new AbortController();
    const folderOut = out();
    const first = await coordinated(redis, [[0.3, () => stop.abort()]], { signal: stop.signal, out: folderOut });
    expect(first.reason).toBe('interrupted');
    let seen: Awaited<ReturnType<typeof queueStatus>> | undefined;
    const second = await coordinated(redis, [[0.6, async () => (seen = await queueStatus(redis.url))]], { out: folderOut });
    expect(second.reason).toBe('done');
    expect(comparable(second.rows)).toEqual(expected);
    expect(seen!.sweeps[0]).toMatchObject({ name: 'small', version });
    expect(seen!.sweeps[0]!.standing!.done).toBeGreaterThan(first.rows.length / 2);
    expect(seen!.workers).toHaveLength(1);
  });

  test('records what fails after the last try, and goes on', async () => {
    const redis = await start();
    help(redis);
    const path = pathToFileURL(join(import.meta.dirname, 'fails.mjs')).pathname;
    const sweep = sweepOf({ packages: [path], explainers: ['raw', 'fails-everywhere'], protocols: ['completeness'] });
    const { rows } = await coordinate(sweep, { queue: redis.url, out: out(), folder });
    const bad = rows.filter(failed);
    expect(bad.map(({ error }) => error)).toEqual(
      bad.map(() => 'example 0: no luck').map((error, i) => error.replace('0', bad[i]!.error.match(/\d+/)![0])),
    );
    expect(bad.length).toBe(10);
    expect(rows.length).toBe(3 * 10 + 10); // raw, random with two seeds, and the failing method
  });
});

describe.runIf(hasRedis)('what is refused', { timeout: 240_000 }, () => {
  test('a Redis that is away at the start, a wrong password, no address', async () => {
    const redis = await start({ password: 'secret' });
    const run = (queue: string): Promise<unknown> => coordinate(sweepOf(), { queue, out: out(), folder });
    await expect(run(redis.url.replace('secret', 'wrong'))).rejects.toThrow(/Redis at redis:\/\/127.0.0.1:\d+ cannot be used: WRONGPASS/);
    await expect(run('redis://127.0.0.1:1')).rejects.toThrow(/Redis at redis:\/\/127.0.0.1:1 cannot be used: .*ECONNREFUSED.*Start it/);
    await expect(run('http://127.0.0.1:1')).rejects.toThrow('"http://…" is no address of Redis');
    await expect(runWorker({ queue: 'redis://127.0.0.1:1' })).rejects.toThrow('ECONNREFUSED');
  });

  test('a second coordinator of a name, and a worker of another version, both by name', async () => {
    const redis = await start();
    const stop = new AbortController();
    const notes: string[] = [];
    const first = coordinate(sweepOf(), {
      queue: redis.url,
      out: out(),
      folder,
      signal: stop.signal,
      onProgress: ({ note }) => note && notes.push(note),
    });
    while (!notes.some((note) => note.startsWith('no worker yet'))) await new Promise((resolve) => setTimeout(resolve, 50));
    await expect(coordinate(sweepOf({ seeds: [7] }), { queue: redis.url, out: out(), folder })).rejects.toThrow(
      new RegExp(`a sweep "small" is being run on redis://127.0.0.1:${redis.port} by .*process ${process.pid}`),
    );
    const worker = runWorker({ queue: redis.url, name: 'old-machine:12', version: '0.0.1' });
    await expect(worker).rejects.toThrow(`worker old-machine:12 is of version 0.0.1, and the sweep "small" of version ${version}`);
    while (!notes.some((note) => note.includes('old-machine:12'))) await new Promise((resolve) => setTimeout(resolve, 50));
    stop.abort();
    expect((await first).reason).toBe('interrupted');
  });

  test('a worker whose files are others, or are not there, by name; nothing of the sweep is lost by it', async () => {
    const redis = await start();
    const other = await smallFolder();
    const mails = join(other, 'mails.jsonl');
    writeFileSync(mails, readFileSync(mails, 'utf8').split('\n').reverse().join('\n'));
    const [wrong, empty] = [help(redis, '--root', other), help(redis, '--root', out())];
    void Promise.all([wrong.status(), empty.status()]).then(() => help(redis)); // one that is right, after they have ended
    const { rows, notes } = await coordinated(redis);
    expect(comparable(rows)).toEqual(expected);
    expect([...notes].filter((note) => note.includes('the data set "planted" is not the coordinator\'s'))).toHaveLength(1);
    expect([...notes].filter((note) => note.includes('no model "text"'))).toHaveLength(1);
    expect(await wrong.status()).toBe(1);
    expect(wrong.said).toMatch(/cannot help with the sweep "small".*bring the same files to this machine/);
    expect(await empty.status()).toBe(1);
    rmSync(other, { recursive: true });
  });
});
