// Libraries that draw in a terminal: they load where something is drawn.
import { createRequire } from 'node:module';
import type Table from 'cli-table3';

const require = createRequire(import.meta.url);

/** Bars that show how far something is. */
export const bars = (): typeof import('cli-progress') => require('cli-progress') as ReturnType<typeof bars>;

/** An empty table without colours. */
export function newTable(): InstanceType<typeof Table> {
  const Library = require('cli-table3') as typeof Table;
  return new Library({ style: { head: [], border: [] } });
}
