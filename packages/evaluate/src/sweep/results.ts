import { open, mkdir, readFile, truncate, writeFile, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { EvaluateError } from '../errors.js';
import { version } from '../version.js';
import { failed, type Row } from './rows.js';
import { markOf, type Sweep } from './schema.js';

/** The first line of a result file. */
interface Header {
  sweep: string;
  mark: string;
  version: string;
}

/** The result file of a sweep, JSON lines: read when opened, then only appended to. What is in it is counted once, whatever happens. */
export class Results {
  readonly #rows = new Map<string, Row>();
  readonly #lock: string;
  #failures = 0;

  private constructor(
    readonly folder: string,
    readonly path: string,
    readonly file: FileHandle,
    rows: readonly Row[],
  ) {
    this.#lock = join(folder, 'running');
    for (const row of rows) this.#keep(row);
  }

  /**
   * Opens, or begins, the results of a sweep in a folder. A line that was cut off while it was written is dropped.
   * @param options.retry forget the rows that failed, so that they are run again
   * @throws EvaluateError where the folder holds another sweep, or another process writes to it
   */
  static async open(folder: string, sweep: Sweep, options: { retry?: boolean } = {}): Promise<Results> {
    await mkdir(folder, { recursive: true });
    await takeLock(folder);
    try {
      const path = join(folder, 'results.jsonl');
      const found = await readResults(path);
      const header: Header = { sweep: sweep.name, mark: markOf(sweep), version };
      if (found) {
        if (found.header.mark !== header.mark)
          throw new EvaluateError(
            `${path} holds results of ${found.header.sweep === sweep.name ? `another sweep of the name "${sweep.name}"` : `the sweep "${found.header.sweep}"`}; take another --out, or give the sweep another name`,
          );
        if (found.header.version !== version)
          throw new EvaluateError(`${path} was begun by version ${found.header.version}, and this is ${version}; take another --out`);
        await truncate(path, found.length);
      } else await writeFile(path, `${JSON.stringify(header)}\n`);
      const rows = (found?.rows ?? []).filter((row) => !options.retry || !failed(row));
      return new Results(folder, path, await open(path, 'a'), rows);
    } catch (error) {
      await rm(join(folder, 'running'), { force: true });
      throw error;
    }
  }

  get rows(): Row[] {
    return [...this.#rows.values()];
  }

  get size(): number {
    return this.#rows.size;
  }

  /** How many rows hold an error. */
  get failures(): number {
    return this.#failures;
  }

  has(key: string): boolean {
    return this.#rows.has(key);
  }

  /** Appends rows whose keys are new; says how many. */
  async append(rows: readonly Row[]): Promise<number> {
    const fresh = rows.filter((row) => !this.#rows.has(row.key));
    if (fresh.length === 0) return 0;
    const lines = fresh.map((row) => `${JSON.stringify(row)}\n`).join('');
    try {
      await this.file.appendFile(lines);
    } catch (error) {
      throw new EvaluateError(
        `${this.path} cannot be written: ${(error as Error).message}. What is in it stays; make room and run the same command again`,
      );
    }
    for (const row of fresh) this.#keep(row);
    return fresh.length;
  }

  async close(): Promise<void> {
    await this.file.close();
    await rm(this.#lock, { force: true });
  }

  #keep(row: Row): void {
    const known = this.#rows.get(row.key);
    if (known && !failed(known)) return;
    this.#failures += Number(failed(row)) - Number(known !== undefined);
    this.#rows.set(row.key, row);
  }
}

/** The rows of a result file and the length of what is whole in it; undefined where there is none. */
export async function readResults(path: string): Promise<{ header: Header; rows: Row[]; length: number } | undefined> {
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw new EvaluateError(`${path} cannot be read: ${error.message}`);
  });
  if (!bytes) return undefined;
  const length = bytes.lastIndexOf(0x0a) + 1;
  if (length === 0) return undefined;
  const [first, ...lines] = bytes.subarray(0, length).toString('utf8').split('\n').filter(Boolean);
  const parse = (line: string, at: number): unknown => {
    try {
      return JSON.parse(line);
    } catch {
      throw new EvaluateError(`${path}:${at + 1} is no JSON; the file is damaged. Move it away, or take the line out`);
    }
  };
  const header = parse(first!, 0) as Partial<Header>;
  if (typeof header.mark !== 'string' || typeof header.sweep !== 'string')
    throw new EvaluateError(`${path} is no result file of a sweep; move it away, or take another --out`);
  return { header: header as Header, rows: lines.map((line, at) => parse(line, at + 1) as Row), length };
}

/** Refuses a folder that a living process writes to. */
async function takeLock(folder: string): Promise<void> {
  const path = join(folder, 'running');
  for (;;) {
    try {
      await writeFile(path, String(process.pid), { flag: 'wx' });
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST')
        throw new EvaluateError(`${folder} cannot be written: ${(error as Error).message}`);
      const owner = Number(await readFile(path, 'utf8').catch(() => ''));
      if (owner && isAlive(owner))
        throw new EvaluateError(`${folder} is being written by process ${owner}; wait for it, or take another --out`);
      await rm(path, { force: true });
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
