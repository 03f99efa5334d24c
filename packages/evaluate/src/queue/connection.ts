import type { Redis } from 'ioredis';
import { EvaluateError } from '../errors.js';

/** What all keys in Redis begin with. */
export const prefix = 'hidden-attention';

/** The oldest Redis that is taken. */
const oldest = 7;

/**
 * A connection to Redis that waits while Redis is away and goes on when it is back.
 * @param url redis://host:port, rediss:// for TLS; user and password as redis://user:password@host
 * @throws EvaluateError where Redis does not answer within five seconds, refuses the password, or is older than 7
 */
export async function connect(url: string): Promise<Redis> {
  const shown = shownUrl(url);
  let lastError: Error | undefined;
  let connected = false;
  // loaded with the first queue: who measures in one process needs neither this nor BullMQ
  const { Redis: Client } = await import('ioredis');
  const redis = new Client(url, {
    lazyConnect: true,
    maxRetriesPerRequest: null,
    connectTimeout: 5000,
    // before the first connection a failure is final; later ones are waited for
    retryStrategy: (times) => (connected ? Math.min(100 * times, 2000) : null),
  });
  redis.on('error', (error: Error) => (lastError = error));
  try {
    await redis.connect();
    const found = /redis_version:(\d+)[\d.]*/.exec(await redis.info('server'));
    if (Number(found?.[1] ?? 0) < oldest)
      throw new EvaluateError(
        `Redis at ${shown} is ${found?.[0].replace('redis_version:', 'version ') ?? 'of no known version'}; ${oldest} or newer is needed`,
      );
    connected = true;
    return redis;
  } catch (error) {
    redis.disconnect();
    if (error instanceof EvaluateError) throw error;
    const reason = lastError?.message || (error as Error).message;
    throw new EvaluateError(`Redis at ${shown} cannot be used: ${reason}. ${adviceFor(reason)}`, { cause: error });
  }
}

/** What to do about a connection that failed. */
function adviceFor(reason: string): string {
  if (/WRONGPASS|NOAUTH|NOPERM/.test(reason)) return 'Correct the user and password in the address: redis://user:password@host:6379';
  if (/certificate/i.test(reason)) return 'Name the file of the authority that signed it in the environment: NODE_EXTRA_CA_CERTS=ca.pem';
  if (/wrong version number|packet length/i.test(reason)) return 'It speaks no TLS there: redis:// instead of rediss://, or another port';
  return 'Start it (redis-server), or correct the address';
}

/** The address without its password. @throws EvaluateError for what is no address of Redis */
export function shownUrl(url: string): string {
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch {
    throw new EvaluateError(`"${url}" is no address; redis://host:6379, or rediss://user:password@host:6380 for TLS, is needed`);
  }
  if (parsed.protocol !== 'redis:' && parsed.protocol !== 'rediss:')
    throw new EvaluateError(`"${parsed.protocol}//…" is no address of Redis; redis:// or rediss:// is needed`);
  return `${parsed.protocol}//${parsed.host}`;
}
