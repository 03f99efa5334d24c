import type { Interval } from '../statistics.js';
import type { Context } from './context.js';

/** A figure with its interval, a plain number, a word, or nothing. */
export type Cell = Interval | number | string | null;

/** A table of a row's page. */
export interface ResultTable {
  title: string;
  /** heads of the columns after the first */
  columns: string[];
  rows: { name: string; cells: Cell[] }[];
}

/** Whether what the paper found was found here: yes, no (the opposite was), or these inputs cannot tell. */
export type Held = 'yes' | 'no' | 'open';

/** One claim of the paper beside what was measured here; `held` follows from the numbers. */
export interface Verdict {
  claim: string;
  /** what the paper prints */
  published: string;
  /** what was measured here, in words and numbers */
  here: string;
  held: Held;
}

/** What a row found. */
export interface Findings {
  verdicts: Verdict[];
  tables: ResultTable[];
  pictures?: { file: string; /** what it shows, for who cannot see it */ text: string; svg: string }[];
  /** what could not be measured, and why */
  lacking: string[];
}

/** A row as it is written to its file. */
export interface RowResult extends Omit<Findings, 'pictures'> {
  id: string;
  pictures: { file: string; text: string }[];
  /** what the figures depend on: sample sizes, models */
  settings: Record<string, unknown>;
  /** what it took of one processor, together with interrupted runs: the only number that differs from run to run */
  seconds?: number;
}

/** One row of the reproduction: an experiment of the paper at the size of the models that ship. One file each in `rows/`. */
export interface ReproductionRow {
  /** E1 … E19 */
  id: string;
  title: string;
  /** where in the paper */
  item: string;
  /** two or three sentences for the page: what was done here, on which data */
  method: string;
  /** inputs of an average where `--samples` does not say otherwise; 0 where nothing is sampled */
  samples: number;
  /** roles of the models that it asks for (`reproduction/models.json`) */
  roles: string[];
  run(context: Context): Promise<Findings>;
}
