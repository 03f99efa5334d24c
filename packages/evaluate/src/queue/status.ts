import { connect, prefix } from './connection.js';
import { queueName, registrations, standingOf, workersAlive, type Standing, type WorkerSign } from './registration.js';

/** What is going on on a queue. */
export interface QueueStatus {
  sweeps: { name: string; version: string; standing?: Standing; waiting: number; active: number; delayed: number }[];
  workers: WorkerSign[];
}

/** The sweeps on a queue, how far they are, and the workers that are there. @throws EvaluateError where Redis cannot be used */
export async function queueStatus(url: string): Promise<QueueStatus> {
  const { Queue } = await import('bullmq');
  const redis = await connect(url);
  try {
    const sweeps: QueueStatus['sweeps'] = [];
    for (const { sweep, version } of await registrations(redis)) {
      const queue = new Queue(queueName(sweep.name), { connection: redis, prefix });
      const { waiting = 0, active = 0, delayed = 0 } = await queue.getJobCounts('waiting', 'active', 'delayed');
      const standing = await standingOf(redis, sweep.name);
      sweeps.push({ name: sweep.name, version, ...(standing ? { standing } : {}), waiting, active, delayed });
      await queue.close();
    }
    return { sweeps, workers: await workersAlive(redis) };
  } finally {
    redis.disconnect();
  }
}
