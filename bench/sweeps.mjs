// Sweeps over workers: pieces a second of 1, 2 and 4 workers on this machine, in turn, and of one process without a queue; what a piece costs
// Redis; and how many pieces a second coordinator and Redis get through when the workers take no time at all, which is what limits many.
//   node bench/sweeps.mjs [--rounds N] [--texts N]       rounds 0: only what limits many workers
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const here = dirname(fileURLToPath(import.meta.url));
const evaluate = join(here, '../packages/evaluate');
const require = createRequire(join(evaluate, 'package.json'));
const { Redis } = require('ioredis');
const { Worker } = require('bullmq');
const { coordinate, parseSweep, queueName, queuePrefix, runSweep } = await import(join(evaluate, 'dist/index.js'));

const methods = ['raw', 'rollout', 'gradient-x-input', 'decomposition', 'mambalrp', 'saliency'];
const sweepOf = (name, count, shard = 16) =>
  parseSweep({
    name,
    data: [{ name: 'needle', kind: 'known-answer', options: { task: 'needle', count } }],
    models: [{ name: 'needle', path: join(evaluate, 'models/needle') }],
    explainers: methods,
    protocols: ['pointing-game'],
    shard,
  });

/** Answers every piece at once, with a row of `examples` examples: a worker that takes no time. */
async function answerAtOnce(url, name, examples) {
  const connection = new Redis(url, { maxRetriesPerRequest: null });
  const row = ({ protocols, ...place }) => {
    const key = [place.data, place.model, place.explainer, protocols[0], place.seed, place.shard].join('|');
    const each = (value) => Array.from({ length: examples }, () => value);
    const values = { hit: 1, class: 53, energy: 0.123456789012345 };
    return {
      key,
      ...place,
      protocol: protocols[0],
      examples: each(12),
      values: each(values),
      cost: each({ ms: 1.234567, mib: 0.1234567 }),
    };
  };
  new Worker(queueName(name), async ({ data }) => [row(data.piece)], { connection, prefix: queuePrefix, concurrency: 50, drainDelay: 1 });
}

if (process.argv[2] === '--answer') await answerAtOnce(process.argv[3], process.argv[4], Number(process.argv[5]));
else await main();

async function main() {
  const { values } = parseArgs({ options: { rounds: { type: 'string', default: '2' }, texts: { type: 'string', default: '800' } } });
  const work = mkdtempSync(join(tmpdir(), 'sweeps-'));
  const { port } = await new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(address));
    });
  });
  const redis = spawn('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', ''], { stdio: 'ignore' });
  const url = `redis://127.0.0.1:${port}`;
  const client = new Redis(url, { maxRetriesPerRequest: null }).on('error', () => undefined); // until it is up
  await client.ping();
  const children = [];
  const start = (...args) => {
    const child = spawn(process.execPath, args, { stdio: 'ignore', env: { ...process.env, HIDDEN_ATTENTION_THREADS: '1' } });
    children.push(child);
    return child;
  };
  const end = async (child) => {
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill();
    await ended;
  };
  /** Runs a sweep on the queue; seconds from the first row to the last, pieces in them. */
  async function timed(sweep) {
    let first;
    const before = process.cpuUsage();
    const { plan } = await coordinate(sweep, {
      queue: url,
      out: mkdtempSync(join(work, 'out-')),
      folder: evaluate,
      onProgress: ({ done }) => {
        if (done > 0) first ??= { at: performance.now(), done };
      },
    });
    const seconds = (performance.now() - first.at) / 1000;
    const { user, system } = process.cpuUsage(before);
    const pieces = plan.pieces.length;
    return { rate: (pieces - first.done) / seconds, pieces, own: (user + system) / 1000 / pieces };
  }
  try {
    const best = new Map();
    const note = (what, rate) => best.set(what, Math.max(best.get(what) ?? 0, rate));
    for (let round = 0; round < Number(values.rounds); round++) {
      for (const count of [1, 2, 4]) {
        const workers = Array.from({ length: count }, () =>
          start(join(here, '../packages/cli/dist/main.js'), 'worker', '--queue', url, '--idle', '600'),
        );
        await client.config('RESETSTAT');
        const { rate, pieces } = await timed(sweepOf(`workers-${count}-${round}`, Number(values.texts)));
        note(`${count} worker${count > 1 ? 's' : ''}`, rate);
        if (count === 1) await printStats(client, pieces);
        await Promise.all(workers.map(end));
      }
      const started = performance.now();
      const { plan } = await runSweep(sweepOf(`alone-${round}`, Number(values.texts)), {
        out: mkdtempSync(join(work, 'out-')),
        folder: evaluate,
      });
      note('one process, no queue', plan.pieces.length / ((performance.now() - started) / 1000));
    }
    for (const [what, rate] of best) console.log(`${what}: ${rate.toFixed(1)} pieces a second (best of ${values.rounds})`);
    for (const examples of [16, 200]) {
      const name = `at-once-${examples}`;
      const answering = start(fileURLToPath(import.meta.url), '--answer', url, name, String(examples));
      await client.config('RESETSTAT');
      const { rate, pieces, own } = await timed(sweepOf(name, 4000, 4));
      console.log(
        `workers that take no time, rows of ${examples} examples: ${rate.toFixed(0)} pieces a second, ${own.toFixed(2)} ms of the coordinator's processor a piece`,
      );
      await printStats(client, pieces);
      await end(answering);
    }
  } finally {
    for (const child of children) child.kill('SIGKILL');
    client.disconnect();
    redis.kill();
    rmSync(work, { recursive: true, force: true });
  }
}

/** What a piece cost Redis: commands, microseconds of its one thread, bytes in and out. */
async function printStats(client, pieces) {
  const [commands, stats] = [await client.info('commandstats'), await client.info('stats')];
  const found = [...commands.matchAll(/cmdstat_(\S+):calls=(\d+),usec=(\d+)/g)].map(([, name, calls, usec]) => [name, +calls, +usec]);
  const outer = found.filter(([name]) => !['info', 'config|resetstat'].includes(name));
  const bytes = ['total_net_input_bytes', 'total_net_output_bytes'].map((name) => Number(new RegExp(`${name}:(\\d+)`).exec(stats)[1]));
  const scripts = outer.filter(([name]) => name.startsWith('evalsha'));
  const usec = scripts.reduce((sum, [, , own]) => sum + own, 0);
  console.log(
    `  a piece: ${(scripts.reduce((sum, [, calls]) => sum + calls, 0) / pieces).toFixed(1)} scripts of ${(usec / pieces).toFixed(0)} µs together, ` +
      `${(outer.reduce((sum, [, calls]) => sum + calls, 0) / pieces).toFixed(1)} commands with those inside, ` +
      `${Math.round(bytes[0] / pieces)} bytes in, ${Math.round(bytes[1] / pieces)} bytes out`,
  );
  console.log(
    `  ${outer
      .toSorted((a, b) => b[2] - a[2])
      .slice(0, 8)
      .map(([name, calls, own]) => `${name} ${(calls / pieces).toFixed(2)}× ${(own / pieces).toFixed(1)} µs`)
      .join(', ')}`,
  );
}
