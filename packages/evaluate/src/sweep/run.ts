import type { Device } from '@hidden-attention/tensor';
import { measurePiece } from './piece.js';
import { Plan, type Piece } from './plan.js';
import { Results } from './results.js';
import { failed, keyOf, type Row } from './rows.js';
import type { Sweep } from './schema.js';

/** How far a sweep is. */
export interface SweepProgress {
  /** rows that are in the file, of all that will be */
  done: number;
  total: number;
  failed: number;
  secondsLeft: number;
  /** what was worked on last */
  at: string;
  /** what people should know: Redis is away, a worker was refused */
  note?: string;
}

export interface SweepOptions {
  /** the folder for results.jsonl */
  out: string;
  /** where relative paths of the sweep start; default: the working directory */
  folder?: string;
  device?: Device;
  /** run rows again that failed */
  retry?: boolean;
  signal?: AbortSignal;
  onProgress?: (progress: SweepProgress) => void;
}

export interface SweepResult {
  rows: Row[];
  plan: Plan;
  reason: 'done' | 'interrupted';
}

/** Pieces with the rows that a result file lacks. */
export function lacking(plan: Plan, results: Results): Piece[] {
  return plan.pieces
    .map((piece) => ({ ...piece, protocols: piece.protocols.filter((protocol) => !results.has(keyOf({ ...piece, protocol }))) }))
    .filter(({ protocols }) => protocols.length > 0);
}

/** Reports progress with the time left, as the rows since the start went. */
export function progressOf(plan: Plan, results: Results): (at: string, note?: string) => SweepProgress {
  const keys = plan.keys;
  const started = Date.now();
  const before = keys.filter((key) => results.has(key)).length;
  const already = results.size;
  return (at, note) => {
    const fresh = results.size - already;
    const done = before + fresh;
    const left = fresh === 0 ? 0 : ((Date.now() - started) / 1000 / fresh) * (keys.length - done);
    return { done, total: keys.length, failed: results.failures, secondsLeft: left, at, ...(note ? { note } : {}) };
  };
}

/** How often a piece is tried before its errors are written down. */
export const attempts = 2;

/**
 * Runs a sweep in this process, from where its result file stands. Whatever ends it, the file stays readable, and the same call goes on.
 * @throws EvaluateError for anything that the sweep names and that is not there: before anything is measured
 */
export async function runSweep(sweep: Sweep, options: SweepOptions): Promise<SweepResult> {
  const plan = await Plan.open(sweep, options.folder ?? process.cwd(), options.device);
  const results = await Results.open(options.out, sweep, { ...(options.retry ? { retry: true } : {}) });
  const progress = progressOf(plan, results);
  try {
    for (const piece of lacking(plan, results)) {
      if (options.signal?.aborted) break;
      const rows = await tried(plan, piece, options.signal);
      if (!rows) break;
      await results.append(rows);
      options.onProgress?.(progress(`${piece.data}, ${piece.model}, ${piece.explainer}`));
    }
    return { rows: results.rows, plan, reason: lacking(plan, results).length === 0 ? 'done' : 'interrupted' };
  } finally {
    await results.close();
    await plan.close();
  }
}

/** A piece's rows; undefined where it was interrupted. Failing protocols are tried once more. */
async function tried(plan: Plan, piece: Piece, signal: AbortSignal | undefined): Promise<Row[] | undefined> {
  try {
    let rows = await measurePiece(plan, piece, signal);
    for (let attempt = 1; attempt < attempts && rows.some(failed); attempt++) {
      const again = await measurePiece(plan, { ...piece, protocols: rows.filter(failed).map(({ protocol }) => protocol) }, signal);
      rows = [...rows.filter((row) => !failed(row)), ...again];
    }
    return rows;
  } catch (error) {
    if (signal?.aborted) return undefined;
    throw error;
  }
}
