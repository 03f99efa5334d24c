import type { Cost } from '../model-case.js';

/** Where a row stands in its sweep. */
export interface Place {
  data: string;
  model: string;
  explainer: string;
  protocol: string;
  seed: number;
  /** number of the piece of the data set */
  shard: number;
}

/** One line of a result file: what one protocol measured of one method on a piece of a data set, or why it could not. */
export type Row = MeasuredRow | FailedRow;

export interface MeasuredRow extends Place {
  key: string;
  /** numbers of the examples, and for each what was measured */
  examples: number[];
  values: Record<string, number>[];
  curves?: Record<string, number[]>[];
  /** what each map took: all that is not the same on every machine is in here */
  cost: Cost[];
}

export interface FailedRow extends Place {
  key: string;
  error: string;
}

export const failed = (row: Row): row is FailedRow => 'error' in row;

export const keyOf = ({ data, model, explainer, protocol, seed, shard }: Place): string =>
  [data, model, explainer, protocol, seed, shard].join('|');

/** Rows in the order of their keys, without what they cost: what is the same however and wherever a sweep was run. */
export function comparable(rows: readonly Row[]): unknown[] {
  return rows
    .map((row) => {
      if (failed(row)) return row;
      const { cost: _, ...rest } = row;
      return rest;
    })
    .toSorted((a, b) => (a.key < b.key ? -1 : 1));
}
