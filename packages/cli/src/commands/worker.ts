import { openDevice } from '@hidden-attention/native';
import type { Command } from 'commander';
import { UsageError } from '../errors.js';

interface Flags {
  queue: string;
  root?: string;
  idle?: string;
  lockSeconds: string;
}

/** `worker`: works on the sweeps of a queue until it is stopped. */
export function add(command: Command, program: Command): void {
  command
    .requiredOption('--queue <URL>', 'redis://… or rediss://user:password@host:port')
    .option('--root <DIR>', 'where relative paths of sweeps start here; default: the folder that the coordinator names')
    .option('--idle <SECONDS>', 'end after so long without a sweep')
    .option('--lock-seconds <SECONDS>', 'after how long without a sign of life its piece goes to another worker', '30')
    .action(async ({ queue, root, idle, lockSeconds }: Flags) => {
      const [idleSeconds, lock] = [seconds('--idle', idle), seconds('--lock-seconds', lockSeconds)];
      const { runWorker } = await import('@hidden-attention/evaluate');
      const stop = new AbortController();
      const onSignal = (): void => {
        if (stop.signal.aborted) process.exit(130);
        stop.abort();
        process.stderr.write('finishing this piece; Ctrl-C again ends at once\n');
      };
      process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
      await runWorker({
        queue,
        ...(root === undefined ? {} : { folder: root }),
        ...(idleSeconds === undefined ? {} : { idleSeconds }),
        lockMs: 1000 * lock!,
        device: openDevice(program.opts<{ device?: string }>().device),
        signal: stop.signal,
        onMessage: (message) => process.stderr.write(`${message}\n`),
      });
    });
}

function seconds(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!(value > 0)) throw new UsageError(`${flag} is "${text}"; a number of seconds above 0 is needed`);
  return value;
}
