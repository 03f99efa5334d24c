import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Sweep, SweepOptions, SweepProgress } from '@hidden-attention/evaluate';
import { openDevice } from '@hidden-attention/native';
import type { Command } from 'commander';
import { UsageError } from '../errors.js';
import { duration, linesOfProgress } from '../progress.js';

interface Flags {
  out?: string;
  queue?: string;
  status?: boolean;
  retryFailed?: boolean;
}

/** `evaluate`: runs a sweep here, or by workers on a queue; the same command goes on where it stopped. */
export function add(command: Command, program: Command): void {
  command
    .argument('[SWEEP]', 'the sweep, a JSON file')
    .option('--out <DIR>', 'the folder for results.jsonl, report.html and leaderboard.html')
    .option('--queue <URL>', 'redis://… or rediss://…: run by `hidden-attention worker` processes')
    .option('--status', 'with --queue: say how far the sweeps on it are, and end')
    .option('--retry-failed', 'run those rows again that failed')
    .action(async (file: string | undefined, flags: Flags) => {
      if (flags.status) {
        if (!flags.queue) throw new UsageError('--status needs --queue <URL>');
        return printStatus(flags.queue);
      }
      if (file === undefined || flags.out === undefined)
        throw new UsageError('SWEEP and --out DIR are needed: hidden-attention evaluate sweep.json --out results');
      const { coordinate, runSweep, writeReport } = await import('@hidden-attention/evaluate');
      const sweep = await readSweep(file);
      const interrupt = new AbortController();
      const onInterrupt = (): void => {
        if (interrupt.signal.aborted) process.exit(130);
        interrupt.abort();
        process.stderr.write('\nfinishing this piece; Ctrl-C again ends at once. The same command goes on from here\n');
      };
      process.on('SIGINT', onInterrupt);
      const progress = linesOfProgress<SweepProgress>(textOf);
      const options: SweepOptions = {
        out: flags.out,
        folder: dirname(resolve(file)),
        device: openDevice(program.opts<{ device?: string }>().device),
        retry: flags.retryFailed ?? false,
        signal: interrupt.signal,
        onProgress: progress.update,
      };
      try {
        const { rows, plan, reason } = flags.queue
          ? await coordinate(sweep, { ...options, queue: flags.queue })
          : await runSweep(sweep, options);
        progress.stop();
        const bad = rows.filter((row) => 'error' in row).length;
        const failed = bad > 0 ? `, ${bad} of them failed` : '';
        if (reason === 'interrupted') {
          process.stderr.write(`interrupted after ${rows.length} of ${plan.keys.length} rows${failed}; go on with the same command\n`);
          process.exitCode = 130;
          return undefined;
        }
        await writeReport(sweep, plan, rows, flags.out);
        process.stdout.write(`${rows.length} rows${failed}; the report is ${join(flags.out, 'report.html')}\n`);
      } finally {
        progress.stop();
        process.off('SIGINT', onInterrupt);
      }
      return undefined;
    });
}

async function readSweep(path: string): Promise<Sweep> {
  const { parseSweep } = await import('@hidden-attention/evaluate');
  try {
    return parseSweep(JSON.parse(await readFile(path, 'utf8')));
  } catch (error) {
    throw new Error(`${path}: ${(error as Error).message}`, { cause: error });
  }
}

const textOf = ({ done, total, failed, secondsLeft, at, note }: SweepProgress): { done: number; total: number; text: string } => ({
  done,
  total,
  text: `${done}/${total} rows${failed > 0 ? `, ${failed} failed` : ''}, ${duration(secondsLeft)} left, ${note ?? at}`,
});

async function printStatus(url: string): Promise<void> {
  const { queueStatus } = await import('@hidden-attention/evaluate');
  const { sweeps, workers } = await queueStatus(url);
  if (sweeps.length === 0) process.stdout.write('no sweep is running\n');
  for (const { name, standing, waiting, active, delayed } of sweeps) {
    const far = standing
      ? `${standing.done}/${standing.total} rows, ${standing.failed} failed, ${duration(standing.secondsLeft)} left; `
      : '';
    process.stdout.write(`${name}: ${far}pieces: ${waiting} waiting, ${active} worked on, ${delayed} to be tried again\n`);
  }
  for (const { name, version, state } of workers) process.stdout.write(`  worker ${name}, version ${version}: ${state}\n`);
}
