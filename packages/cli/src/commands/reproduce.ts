import { join } from 'node:path';
import type { ReproductionProgress } from '@hidden-attention/evaluate/reproduction';
import { openDevice } from '@hidden-attention/native';
import type { Command } from 'commander';
import { UsageError } from '../errors.js';
import { linesOfProgress } from '../progress.js';

interface Flags {
  out: string;
  rows?: string;
  samples?: string;
  roles?: string;
  quick?: boolean;
}

/** `reproduce`: the paper's experiments at the size of the models here; the same command goes on where it stopped. */
export function add(command: Command, program: Command): void {
  command
    .option('--out <DIR>', 'the folder for the results and the page', 'results')
    .option('--rows <LIST>', 'some rows, by commas: E3,E6 (default: all)')
    .option('--samples <N>', "inputs of an average (default: each row's own, 200)")
    .option('--roles <FILE>', 'a JSON file of models and data sets by role, in place of the one that comes with the package')
    .option('--quick', 'a few inputs and steps: whether it runs, nothing to quote')
    .action(async ({ out, rows, samples, roles, quick }: Flags) => {
      const count = samples === undefined ? undefined : Number(samples);
      if (count !== undefined && !(Number.isInteger(count) && count > 1))
        throw new UsageError(`--samples is "${samples}"; a whole number of at least 2 is needed`);
      const { reproduce } = await import('@hidden-attention/evaluate/reproduction');
      const interrupt = new AbortController();
      const onInterrupt = (): void => {
        if (interrupt.signal.aborted) process.exit(130);
        interrupt.abort();
        process.stderr.write('\nstopping; Ctrl-C again ends at once. The same command goes on from here\n');
      };
      process.on('SIGINT', onInterrupt);
      const progress = linesOfProgress<ReproductionProgress>(({ done, total, at }) => ({
        done,
        total,
        text: `${done}/${total} rows; ${at}`,
      }));
      try {
        const { results, failures, reason } = await reproduce({
          out,
          ...(rows === undefined ? {} : { rows: rows.split(',').map((id) => id.trim()) }),
          ...(count === undefined ? {} : { samples: count }),
          ...(roles === undefined ? {} : { roles }),
          quick: quick ?? false,
          device: openDevice(program.opts<{ device?: string }>().device),
          signal: interrupt.signal,
          onProgress: progress.update,
        });
        progress.stop();
        for (const { id, error } of failures) process.stderr.write(`hidden-attention: ${id} failed: ${error}\n`);
        if (failures.length > 0) process.exitCode = 1;
        if (reason === 'interrupted') process.exitCode = 130;
        process.stdout.write(`${results.length} rows measured; the page is ${join(out, 'reproduction.md')}\n`);
      } finally {
        progress.stop();
        process.off('SIGINT', onInterrupt);
      }
    });
}
