// Sweeps over a Redis that speaks TLS alone and knows one user: by the command line, as people run them.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { comparable, parseSweep, readResults, runSweep } from '@hidden-attention/evaluate';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hasTls, main, TestRedis, TestWorker } from './redis.js';
import { smallFolder, smallSweep } from './small-sweep.js';

const sweep = { ...smallSweep(), protocols: ['eraser', 'completeness'] };

describe.runIf(hasTls)('rediss://user:password@…', { timeout: 120_000 }, () => {
  let folder: string;
  let redis: TestRedis;
  beforeAll(async () => {
    folder = await smallFolder();
    writeFileSync(join(folder, 'sweep.json'), JSON.stringify(sweep));
    redis = await TestRedis.start({ tlsUser: 'measurer', password: 'open-sesame' });
  }, 60_000);
  afterAll(async () => {
    await redis.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** `hidden-attention evaluate` on the queue of that address. */
  function evaluate(queue: string, env: Record<string, string>): Promise<{ status: number | null; said: string; out: string }> {
    const out = mkdtempSync(join(folder, 'out-'));
    const command = spawn(process.execPath, [main, 'evaluate', join(folder, 'sweep.json'), '--out', out, '--queue', queue], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, HIDDEN_ATTENTION_THREADS: '1', ...env },
    });
    let said = '';
    command.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
    return new Promise((resolve) => command.once('close', (status) => resolve({ status, said, out })));
  }
  const trusting = (): Record<string, string> => ({ NODE_EXTRA_CA_CERTS: redis.certificate });

  test('gives what one process gives', async () => {
    const worker = new TestWorker(redis.url, [], trusting());
    const { status, said, out } = await evaluate(redis.url, trusting());
    await worker.stop();
    expect(status, said).toBe(0);
    const { rows } = (await readResults(join(out, 'results.jsonl')))!;
    const here = await runSweep(parseSweep(sweep), { out: mkdtempSync(join(folder, 'out-')), folder });
    expect(comparable(rows)).toEqual(comparable(here.rows));
  });

  test('refuses a wrong password, a certificate that nobody vouches for, and an address without TLS, and shows no password', async () => {
    const refused = async (url: string, env: Record<string, string>, message: RegExp): Promise<void> => {
      const { status, said } = await evaluate(url, env);
      expect(status).toBe(1);
      expect(said).toMatch(message);
      expect(said).not.toMatch(/sesame/);
    };
    const at = `127.0.0.1:${redis.port}`;
    await refused(
      redis.url.replace('open-', 'shut-'),
      trusting(),
      new RegExp(`Redis at rediss://${at} cannot be used: WRONGPASS.*Correct the user and password`),
    );
    await refused(redis.url, {}, new RegExp(`Redis at rediss://${at} cannot be used: self-signed certificate.*NODE_EXTRA_CA_CERTS`));
    await refused(redis.url.replace('rediss', 'redis'), {}, new RegExp(`Redis at redis://${at} cannot be used: .*correct the address`));
  });
});
