import type { Redis } from 'ioredis';
import type { Piece } from '../sweep/plan.js';
import type { Sweep } from '../sweep/schema.js';
import { prefix } from './connection.js';

/** What a coordinator tells workers about its sweep. */
export interface Registration {
  sweep: Sweep;
  mark: string;
  version: string;
  /** where relative paths start on the coordinator's machine */
  folder: string;
  /** logits of the first example of each data set on each model: a worker whose files differ is found by them */
  probes: Record<string, number[]>;
}

/** What a job holds. */
export interface JobData {
  mark: string;
  piece: Piece;
}

/** How far a sweep is, for `--status`. */
export interface Standing {
  done: number;
  total: number;
  failed: number;
  secondsLeft: number;
}

/** A worker as it shows itself. */
export interface WorkerSign {
  name: string;
  version: string;
  /** milliseconds since 1970 of its last sign of life */
  at: number;
  /** what it works on, or why it does not */
  state: string;
  refused?: string;
}

/** What the queue of a sweep is called in Redis, behind `queuePrefix`: for BullMQ's own tools. */
export const queueName = (sweep: string): string => `sweep-${sweep}`;
const sweepsKey = `${prefix}:sweeps`;
const workersKey = `${prefix}:workers`;
const standingKey = `${prefix}:standing`;
const lockKey = (sweep: string): string => `${prefix}:coordinator:${sweep}`;

export const register = (redis: Redis, own: Registration): Promise<number> => redis.hset(sweepsKey, own.sweep.name, JSON.stringify(own));
export const unregister = async (redis: Redis, sweep: string): Promise<void> => {
  await redis.hdel(sweepsKey, sweep);
  await redis.hdel(standingKey, sweep);
};

export async function registrations(redis: Redis): Promise<Registration[]> {
  return Object.values(await redis.hgetall(sweepsKey)).map((json) => JSON.parse(json) as Registration);
}

export const setStanding = (redis: Redis, sweep: string, standing: Standing): Promise<number> =>
  redis.hset(standingKey, sweep, JSON.stringify(standing));

export async function standingOf(redis: Redis, sweep: string): Promise<Standing | undefined> {
  const found = await redis.hget(standingKey, sweep);
  return found === null ? undefined : (JSON.parse(found) as Standing);
}

export const sign = (redis: Redis, own: WorkerSign): Promise<number> => redis.hset(workersKey, own.name, JSON.stringify(own));
export const signOff = (redis: Redis, name: string): Promise<number> => redis.hdel(workersKey, name);

/** Workers that gave a sign of life within half a minute. Those that did not for ten are forgotten. */
export async function workersAlive(redis: Redis): Promise<WorkerSign[]> {
  const all = Object.values(await redis.hgetall(workersKey)).map((json) => JSON.parse(json) as WorkerSign);
  const silent = (own: WorkerSign): number => Date.now() - own.at;
  const gone = all.filter((own) => silent(own) > 600_000).map(({ name }) => name);
  if (gone.length > 0) await redis.hdel(workersKey, ...gone);
  return all.filter((own) => silent(own) < 30_000).toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** How long a coordinator that was killed keeps others out. */
const lockFor = 10_000;

/** Takes, or keeps, the right to coordinate a sweep; gives the name of whoever has it, undefined where that is the caller. */
export async function holdLock(redis: Redis, sweep: string, owner: string): Promise<string | undefined> {
  const taken = await redis.set(lockKey(sweep), owner, 'PX', lockFor, 'NX');
  if (taken) return undefined;
  const holder = await redis.get(lockKey(sweep));
  if (holder !== null && holder !== owner) return holder;
  await redis.set(lockKey(sweep), owner, 'PX', lockFor);
  return undefined;
}

export async function releaseLock(redis: Redis, sweep: string, owner: string): Promise<void> {
  if ((await redis.get(lockKey(sweep))) === owner) await redis.del(lockKey(sweep));
}
