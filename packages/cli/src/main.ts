#!/usr/bin/env node
import { CommanderError } from 'commander';
import { UsageError } from './errors.js';
import { createProgram } from './program.js';

const debug = process.argv.includes('--debug');

/** One to a few lines on standard error; the stack only with --debug. */
function report(error: unknown): void {
  const text = error instanceof Error ? (debug ? (error.stack ?? error.message) : error.message) : String(error);
  process.stderr.write(`hidden-attention: ${text}\n`);
}

// A reader that went away (`… | head`) is no mistake.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

try {
  await (await createProgram(process.argv)).parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    // commander has printed help, the version or the mistake itself
    process.exitCode = error.exitCode === 0 ? 0 : 2;
  } else {
    report(error);
    process.exitCode = error instanceof UsageError ? 2 : (error as { name?: string }).name === 'AbortError' ? 130 : 1;
  }
}
