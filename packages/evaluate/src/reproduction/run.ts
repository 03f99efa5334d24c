import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '@hidden-attention/checkpoint';
import type { Device } from '@hidden-attention/tensor';
import { EvaluateError } from '../errors.js';
import { version } from '../version.js';
import { registerAggregations } from './aggregations.js';
import { Context } from './context.js';
import { reproductionPage } from './page.js';
import { Roles } from './roles.js';
import type { ReproductionRow, RowResult } from './row.js';
import { reproductionRows } from './rows/index.js';

/** How far the reproduction is. */
export interface ReproductionProgress {
  /** rows that are done, of those asked for */
  done: number;
  total: number;
  /** the row that is worked on, and what of it */
  at: string;
}

export interface ReproductionOptions {
  /** the folder for the page, `reproduction.md`, with the rows' results in `reproduction/` and what is measured so far in `measured/` */
  out: string;
  /** E1 … E19; default all */
  rows?: readonly string[];
  /** inputs of an average; default each row's own, 200 or more */
  samples?: number;
  /** a few inputs and steps: to see that everything runs, nothing to quote */
  quick?: boolean;
  /** a JSON file of models and data sets by role; default: the one that comes with the package */
  roles?: string;
  device?: Device;
  signal?: AbortSignal;
  onProgress?: (progress: ReproductionProgress) => void;
}

export interface Reproduction {
  results: RowResult[];
  failures: { id: string; error: string }[];
  reason: 'done' | 'interrupted';
}

/** Rows by what was asked for. @throws EvaluateError for one that does not exist */
function chosenRows(wanted: readonly string[] | undefined): readonly ReproductionRow[] {
  const unknown = wanted?.find((id) => !reproductionRows.some((row) => row.id === id));
  if (unknown !== undefined)
    throw new EvaluateError(`there is no row "${unknown}"; there are ${reproductionRows.map(({ id }) => id).join(', ')}`);
  return wanted ? reproductionRows.filter(({ id }) => wanted.includes(id)) : reproductionRows;
}

/**
 * Measures the paper's experiments at the size of the models that are here, row by row, and renders the page of what was found. A row
 * whose result is in the folder, measured with the same settings, is not measured again; sweeps within a row go on where they stopped. A
 * row that fails is reported, and the rest goes on.
 */
export async function reproduce(options: ReproductionOptions): Promise<Reproduction> {
  const { out, quick = false, signal } = options;
  const rows = chosenRows(options.rows);
  const roles = Roles.read(options.roles);
  registerAggregations();
  const folder = join(out, 'reproduction');
  await mkdir(folder, { recursive: true });
  const failures: Reproduction['failures'] = [];
  let done = 0;
  for (const row of rows) {
    const samples = row.samples === 0 ? 0 : (options.samples ?? (quick ? 12 : row.samples));
    const settings = { version, samples, quick, models: Object.fromEntries(row.roles.map((role) => [role, roles.models[role] ?? null])) };
    if (!(await isDone(folder, row.id, settings))) {
      if (signal?.aborted) break;
      const measured = join(out, 'measured');
      const report = (text: string): void => options.onProgress?.({ done, total: rows.length, at: `${row.id}: ${text}` });
      report(row.title);
      const context = new Context(roles, measured, samples, quick, options.device, signal, report);
      const spent = spentOn(measured, row.id);
      try {
        const { pictures = [], ...found } = await row.run(context);
        for (const { file, svg } of pictures) await writeFileAtomic(join(folder, file), svg);
        const seconds = await spent();
        const lacking = [...new Set([...context.lacking, ...found.lacking])];
        const shown = pictures.map(({ file, text }) => ({ file, text }));
        const result: RowResult = { id: row.id, settings, ...found, pictures: shown, lacking, seconds };
        await writeFileAtomic(join(folder, `${row.id}.json`), `${JSON.stringify(rounded(result), null, 1)}\n`);
      } catch (error) {
        await spent();
        if (signal?.aborted) break;
        failures.push({ id: row.id, error: (error as Error).message });
      }
    }
    done++;
  }
  const results = await readReproduction(folder);
  await writeFileAtomic(join(out, 'reproduction.md'), reproductionPage(results));
  options.onProgress?.({ done, total: rows.length, at: 'the page is written' });
  return { results, failures, reason: done === rows.length ? 'done' : 'interrupted' };
}

/** The results that a folder holds, in the order of the rows. */
async function readReproduction(folder: string): Promise<RowResult[]> {
  const all = await Promise.all(reproductionRows.map(({ id }) => readResult(folder, id)));
  return all.filter((result) => result !== undefined);
}

async function readResult(folder: string, id: string): Promise<RowResult | undefined> {
  const path = join(folder, `${id}.json`);
  const content = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw new EvaluateError(`${path} cannot be read: ${error.message}`);
  });
  if (content === undefined) return undefined;
  try {
    return JSON.parse(content) as RowResult;
  } catch {
    throw new EvaluateError(`${path} is no JSON; take it away, and the row is measured again`);
  }
}

async function isDone(folder: string, id: string, settings: object): Promise<boolean> {
  const result = await readResult(folder, id);
  return result !== undefined && JSON.stringify(result.settings) === JSON.stringify(settings);
}

/** Counts the processor's seconds from now on; what earlier, interrupted runs of the row took is kept in its folder and added. */
function spentOn(folder: string, id: string): () => Promise<number> {
  const path = join(folder, `${id}.seconds`);
  const start = process.cpuUsage();
  return async () => {
    const { user, system } = process.cpuUsage(start);
    const before = Number(await readFile(path, 'utf8').catch(() => '0'));
    const seconds = Math.round((before + (user + system) / 1e6) * 10) / 10;
    await mkdir(folder, { recursive: true });
    await writeFileAtomic(path, String(seconds));
    return seconds;
  };
}

/** Six significant digits are more than any figure here has. */
function rounded<T>(value: T): T {
  if (typeof value === 'number') return Number(value.toPrecision(6)) as T;
  if (Array.isArray(value)) return value.map(rounded) as T;
  if (value && typeof value === 'object') return Object.fromEntries(Object.entries(value).map(([key, own]) => [key, rounded(own)])) as T;
  return value;
}
