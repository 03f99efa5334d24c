import { hostname } from 'node:os';
import type { Job, Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { EvaluateError } from '../errors.js';
import { sha256 } from '../sha256.js';
import { Plan, type Piece } from '../sweep/plan.js';
import { Results } from '../sweep/results.js';
import { keyOf, type Row } from '../sweep/rows.js';
import { attempts, lacking, progressOf, type SweepOptions, type SweepResult } from '../sweep/run.js';
import { markOf, type Sweep } from '../sweep/schema.js';
import { version } from '../version.js';
import { connect, prefix, shownUrl } from './connection.js';
import { probe } from './probe.js';
import {
  holdLock,
  queueName,
  register,
  registrations,
  releaseLock,
  setStanding,
  unregister,
  workersAlive,
  type JobData,
} from './registration.js';

export interface QueueOptions extends SweepOptions {
  /** address of Redis: redis://…, rediss://… */
  queue: string;
}

/** Pieces that are put on the queue in one go, finished ones that are fetched in one go, and how often is looked (ms). */
const [atOnce, page, every] = [500, 200, 150];

/** Most pieces that wait on the queue: however long a sweep is, Redis holds no more of it. */
const most = 20_000;

/**
 * Runs a sweep by workers on a queue: puts on it what the result file lacks, writes down what comes back, each row once, and puts on it
 * again whatever Redis has lost. The file is the only memory: any Redis, and any number of workers, at any time, will do.
 * @throws EvaluateError as `runSweep`; where Redis cannot be used at the start, or another coordinator runs a sweep of this name
 */
export async function coordinate(sweep: Sweep, options: QueueOptions): Promise<SweepResult> {
  const redis = await connect(options.queue);
  const owner = `${hostname()}:${process.pid}:${crypto.randomUUID().slice(0, 8)}`;
  try {
    const holder = await holdLock(redis, sweep.name, owner);
    if (holder !== undefined)
      throw new EvaluateError(
        `a sweep "${sweep.name}" is being run on ${shownUrl(options.queue)} by ${placeOf(holder)}; wait for it, or give this one another name`,
      );
    const folder = options.folder ?? process.cwd();
    const plan = await Plan.open(sweep, folder, options.device);
    const results = await Results.open(options.out, sweep, { ...(options.retry ? { retry: true } : {}) });
    try {
      const { Queue: BullQueue } = await import('bullmq');
      const queue = new BullQueue<JobData, Row[]>(queueName(sweep.name), { connection: redis, prefix });
      return await new Coordinator(redis, plan, results, options, owner, queue).run();
    } finally {
      await results.close();
      await plan.close();
    }
  } finally {
    if (redis.status === 'ready') await releaseLock(redis, sweep.name, owner).catch(() => undefined);
    redis.disconnect();
  }
}

/** Machine and process of who holds a lock. */
const placeOf = (owner: string): string => owner.split(':').slice(0, 2).join(', process ');

class Coordinator {
  readonly #queue: Queue<JobData, Row[]>;
  /** pieces with rows that the file lacks, by the names of their jobs */
  readonly #open: Map<string, Piece>;
  readonly #mark: string;
  readonly #progress: ReturnType<typeof progressOf>;
  readonly #warned = new Set<string>();
  #note: string | undefined;

  constructor(
    readonly redis: Redis,
    readonly plan: Plan,
    readonly results: Results,
    readonly options: QueueOptions,
    readonly owner: string,
    queue: Queue<JobData, Row[]>,
  ) {
    this.#mark = markOf(plan.sweep);
    this.#open = new Map(lacking(plan, results).map((piece) => [this.#idOf(piece), piece]));
    this.#queue = queue;
    this.#queue.on('error', () => undefined); // the connection tells
    this.#progress = progressOf(plan, results);
    let away = false;
    redis.on('close', () => {
      if (!away) this.#say('Redis is away; waiting for it');
      away = true;
    });
    redis.on('ready', () => {
      if (away) this.#say('Redis is back');
      away = false;
    });
  }

  async run(): Promise<SweepResult> {
    const { signal } = this.options;
    const interrupted = new Promise<'interrupted'>((resolve) => {
      if (signal?.aborted) resolve('interrupted');
      signal?.addEventListener('abort', () => resolve('interrupted'), { once: true });
    });
    const reason = await Promise.race([this.#work(), interrupted]);
    if (this.redis.status === 'ready') await this.#leave().catch(() => undefined);
    await this.#queue.close().catch(() => undefined);
    return { rows: this.results.rows, plan: this.plan, reason };
  }

  async #work(): Promise<'done'> {
    const { sweep } = this.plan;
    const before = (await registrations(this.redis)).find((other) => other.sweep.name === sweep.name);
    if (before && before.mark !== this.#mark) await this.#queue.obliterate({ force: true });
    const probes = await this.#probes();
    let looked = 0;
    while (this.#open.size > 0) {
      if (this.options.signal?.aborted) return new Promise(() => undefined);
      if (Date.now() - looked > 2000) {
        const other = await holdLock(this.redis, sweep.name, this.owner);
        if (other !== undefined)
          throw new EvaluateError(
            `${placeOf(other)} runs the sweep "${sweep.name}" now: this process was away from Redis for too long. What it wrote stays; the same command goes on once the other has ended`,
          );
        const { folder } = this.plan;
        await register(this.redis, { sweep, mark: this.#mark, version, folder, probes });
        await this.#putBack();
        await this.#lookAtWorkers();
        looked = Date.now();
      }
      if ((await this.#collect()) === 0) await new Promise((resolve) => setTimeout(resolve, every));
    }
    return 'done';
  }

  async #probes(): Promise<Record<string, number[]>> {
    const probes: Record<string, number[]> = {};
    for (const { data, model } of this.plan.pieces) probes[`${data}|${model}`] ??= await probe(await this.plan.task(data, model));
    await this.plan.close();
    return probes;
  }

  /** Puts on the queue what is neither there nor in the file: at first, when it runs low, and when Redis lost it. */
  async #putBack(): Promise<void> {
    const there = await this.#queue.getJobCounts();
    if (Object.values(there).reduce((sum, count) => sum + count, 0) >= Math.min(this.#open.size, most / 2)) return;
    const pieces = [...this.#open].slice(0, most);
    for (let from = 0; from < pieces.length; from += atOnce)
      await this.#queue.addBulk(
        pieces.slice(from, from + atOnce).map(([jobId, piece]) => ({
          name: piece.explainer,
          data: { mark: this.#mark, piece },
          // one that is there already stays as it is
          opts: { jobId, attempts, backoff: { type: 'exponential', delay: 500 } },
        })),
      );
  }

  #idOf(piece: Piece): string {
    return sha256(JSON.stringify([this.#mark, piece]), 'hex').slice(0, 32);
  }

  /** Writes down what is finished, then takes it off the queue: whatever ends this process between the two, nothing is counted twice. */
  async #collect(): Promise<number> {
    const jobs = (await this.#queue.getJobs(['completed', 'failed'], 0, page - 1)).filter(Boolean);
    const own = jobs.filter(({ data }) => data.mark === this.#mark);
    if (own.length > 0) {
      await this.results.append(own.flatMap((job) => rowsOf(job, job.data.piece)));
      for (const { id } of own) this.#open.delete(id!);
      const { data, model, explainer } = own.at(-1)!.data.piece;
      const progress = this.#progress(`${data}, ${model}, ${explainer}`, this.#note);
      await setStanding(this.redis, this.plan.sweep.name, progress);
      this.options.onProgress?.(progress);
    }
    // gone already with a Redis that was emptied
    await Promise.all(jobs.map((job) => job.remove().catch(() => undefined)));
    return jobs.length;
  }

  async #lookAtWorkers(): Promise<void> {
    const workers = await workersAlive(this.redis);
    for (const { name, state, refused } of workers) {
      if (refused !== this.plan.sweep.name || this.#warned.has(name)) continue;
      this.#warned.add(name);
      this.#say(`worker ${name} was ${state}`);
    }
    const able = workers.filter(({ refused }) => refused === undefined).length;
    this.#note = able === 0 ? 'no worker yet: start some with hidden-attention worker --queue …' : `${able} workers`;
    this.options.onProgress?.(this.#progress('waiting', this.#note));
  }

  #say(note: string): void {
    this.options.onProgress?.(this.#progress('waiting', note));
  }

  async #leave(): Promise<void> {
    await unregister(this.redis, this.plan.sweep.name);
    await this.#queue.obliterate({ force: true });
  }
}

/** What a job gave: its rows, or, where it failed as a whole, a row with the reason for each of its protocols. */
function rowsOf(job: Job<JobData, Row[]>, piece: Piece): Row[] {
  if (Array.isArray(job.returnvalue)) return job.returnvalue;
  const { protocols, ...place } = piece;
  const error = job.failedReason ?? 'the worker gave no reason';
  return protocols.map((protocol) => ({ key: keyOf({ ...place, protocol }), ...place, protocol, error }));
}
