import { hostname } from 'node:os';
import type { Job, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import type { Device } from '@hidden-attention/tensor';
import { EvaluateError } from '../errors.js';
import { measurePiece } from '../sweep/piece.js';
import { Plan } from '../sweep/plan.js';
import { failed, type Row } from '../sweep/rows.js';
import { version as ownVersion } from '../version.js';
import { connect, prefix } from './connection.js';
import { checkProbe } from './probe.js';
import { queueName, registrations, sign, signOff, type JobData, type Registration } from './registration.js';

export interface WorkerOptions {
  /** address of Redis */
  queue: string;
  /** where relative paths of sweeps start; default: the coordinator's folder */
  folder?: string;
  device?: Device;
  signal?: AbortSignal;
  /** end after so long without a sweep; default: never */
  idleSeconds?: number;
  onMessage?: (message: string) => void;
  /** what it calls itself; default: machine and process */
  name?: string;
  version?: string;
  /** after how many milliseconds without a sign of life of a worker its piece goes to another; default 30,000 */
  lockMs?: number;
}

/** A sweep that a worker helps with. */
interface Helping {
  worker: Worker<JobData, Row[]>;
  plan: Plan;
  mark: string;
}

/**
 * Works on the pieces of whatever sweeps are on a queue, until `signal`. A piece that this process does not finish is taken over by
 * another worker.
 * @throws EvaluateError where Redis cannot be used, or a sweep is of another version than this worker, or names what is missing or another
 * one here
 */
export async function runWorker(options: WorkerOptions): Promise<void> {
  const {
    signal,
    onMessage = () => undefined,
    name = `${hostname()}:${process.pid}`,
    version = ownVersion,
    idleSeconds = Infinity,
  } = options;
  const redis = await connect(options.queue);
  const helping = new Map<string, Helping>();
  const aborted = abortOf(signal);
  let state = 'waiting for a sweep';
  let busy = Date.now();
  let [away, refused] = [false, false];
  redis.on('close', () => {
    if (!away) onMessage('Redis is away; waiting for it');
    away = true;
  });
  redis.on('ready', () => {
    if (away) onMessage('Redis is back');
    away = false;
  });
  try {
    while (!signal?.aborted && Date.now() - busy < 1000 * idleSeconds) {
      const wanted = await Promise.race([registrations(redis), aborted]);
      if (!wanted) break;
      for (const registration of wanted) {
        const { sweep, mark } = registration;
        if (helping.get(sweep.name)?.mark === mark) continue;
        await stop(helping, sweep.name);
        refused = true;
        if (registration.version !== version)
          await refuse(
            redis,
            registration,
            name,
            version,
            `is of version ${version}, and the sweep "${sweep.name}" of version ${registration.version}: install that version there`,
          );
        onMessage(`helping with the sweep "${sweep.name}"`);
        await sign(redis, { name, version, at: Date.now(), state: `getting ready for "${sweep.name}"` });
        const now = (current: string): void => {
          state = current;
          busy = Date.now();
        };
        const own = await help(options, registration, redis, now).catch((error: Error) =>
          refuse(redis, registration, name, version, `cannot help with the sweep "${sweep.name}": ${error.message}`),
        );
        helping.set(sweep.name, own);
        refused = false;
      }
      for (const known of helping.keys()) if (!wanted.some(({ sweep }) => sweep.name === known)) await stop(helping, known);
      if (helping.size === 0) state = 'waiting for a sweep';
      else busy = Date.now();
      await Promise.race([sign(redis, { name, version, at: Date.now(), state }), aborted]);
      await Promise.race([new Promise((resolve) => setTimeout(resolve, helping.size > 0 ? 2000 : 500)), aborted]);
    }
  } finally {
    for (const known of helping.keys()) await stop(helping, known);
    // one that was refused stays to be seen, until its sign is old
    if (redis.status === 'ready' && !refused) await signOff(redis, name).catch(() => undefined);
    away = true; // it is this process that leaves
    redis.disconnect();
  }
}

/** Tells the coordinator, and whoever started this worker, why it cannot help with a sweep. */
async function refuse(redis: Redis, { sweep }: Registration, name: string, version: string, reason: string): Promise<never> {
  await sign(redis, { name, version, at: Date.now(), state: `refused: ${reason}`, refused: sweep.name });
  throw new EvaluateError(`worker ${name} ${reason}`);
}

/**
 * Begins to work on the pieces of a sweep, once it is sure that this machine gives what the coordinator's does.
 * @throws EvaluateError where something that the sweep names is missing or another one here
 */
async function help(options: WorkerOptions, registration: Registration, redis: Redis, now: (state: string) => void): Promise<Helping> {
  const { UnrecoverableError, Worker: BullWorker } = await import('bullmq');
  const { sweep, mark, folder, probes } = registration;
  const plan = await Plan.open(sweep, options.folder ?? folder, options.device);
  const tasks = new Map(plan.pieces.map(({ data, model }) => [`${data}|${model}`, [data, model] as const]));
  for (const [key, [data, model]] of tasks) await checkProbe(await plan.task(data, model), probes[key]);
  const { lockMs = 30_000 } = options;
  const worker = new BullWorker<JobData, Row[]>(
    queueName(sweep.name),
    async (job) => {
      const { piece, mark: theirs } = job.data;
      if (theirs !== mark) throw new UnrecoverableError('it belongs to an earlier sweep of this name');
      now(`${piece.data}, ${piece.model}, ${piece.explainer}, seed ${piece.seed}, part ${piece.shard}`);
      return measured(plan, job);
    },
    {
      connection: redis,
      prefix,
      concurrency: 1,
      lockDuration: lockMs,
      stalledInterval: lockMs,
      maxStalledCount: 10,
      drainDelay: 1,
    },
  );
  worker.on('error', ({ message }) => {
    // the coordinator left, or Redis came back empty: whoever runs the sweep next puts the piece on the queue again
    if (!message.startsWith('Missing key for job')) options.onMessage?.(`"${sweep.name}": ${message}`);
  });
  return { worker, plan, mark };
}

/** The rows of a job's piece. A row that fails fails the job, so that it is tried again, until the last attempt: then its error is the row. */
async function measured(plan: Plan, job: Job<JobData, Row[]>): Promise<Row[]> {
  const rows = await measurePiece(plan, job.data.piece);
  const bad = rows.find(failed);
  if (bad && job.attemptsMade + 1 < (job.opts.attempts ?? 1)) throw new Error(bad.error);
  return rows;
}

async function stop(helping: Map<string, Helping>, name: string): Promise<void> {
  const own = helping.get(name);
  if (!own) return;
  helping.delete(name);
  await own.worker.close();
  await own.plan.close();
}

/** Resolves, with undefined, when the signal comes. */
const abortOf = (signal: AbortSignal | undefined): Promise<undefined> =>
  new Promise((resolve) => {
    if (signal?.aborted) resolve(undefined);
    signal?.addEventListener('abort', () => resolve(undefined), { once: true });
  });
