import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EvaluateError } from '../errors.js';
import { getProtocol } from '../registry.js';
import { summarize, type Protocol } from '../protocol.js';
import { byExample } from '../report/summary.js';
import { bootstrap, mean, type Interval, type Summary } from '../statistics.js';
import { runSweep } from '../sweep/run.js';
import { failed, type MeasuredRow } from '../sweep/rows.js';
import { markOf, parseSweep, type Sweep } from '../sweep/schema.js';
import type { Context } from './context.js';
import type { Cell, ResultTable, Verdict } from './row.js';
import { ownFolder } from './roles.js';
import { compared, type Paired } from './verdict.js';

type Record_ = Record<string, number>;

/** Where in a sweep a figure stands. */
export interface Place {
  data: string;
  model: string;
  method: string;
  /** as the sweep calls it */
  protocol: string;
}

/** What a sweep of the reproduction found. */
export class SweepFindings {
  readonly #records = new Map<string, ReadonlyMap<number, Record_>>();
  readonly #rows: readonly MeasuredRow[];

  constructor(
    readonly sweep: Sweep,
    rows: readonly MeasuredRow[],
  ) {
    this.#rows = rows;
    const groups = new Map<string, MeasuredRow[]>();
    for (const row of rows) {
      const key = JSON.stringify([row.data, row.model, row.explainer, row.protocol]);
      groups.set(key, [...(groups.get(key) ?? []), row]);
    }
    for (const [key, own] of groups) this.#records.set(key, byExample(own));
  }

  /** What was measured there, by example; undefined where nothing was. */
  records({ data, model, method, protocol }: Place): ReadonlyMap<number, Record_> | undefined {
    const found = this.#records.get(JSON.stringify([data, model, method, protocol]));
    return found && found.size > 0 ? found : undefined;
  }

  /** A protocol's figure over records. */
  figure(protocol: string, name: string): Summary<Record_> {
    const entry = this.sweep.protocols.find(({ as }) => as === protocol)!;
    const own = getProtocol(entry.name) as Protocol<never>;
    return (records) => summarize(own, records)[name] ?? NaN;
  }

  cell(place: Place, figure: string): Interval | null {
    const records = this.records(place);
    if (!records) return null;
    return bootstrap(
      [...records.values()].map((record) => [record]),
      this.figure(place.protocol, figure),
    );
  }

  /** A table of one data set and protocol: a row for each model and method, a column for each figure. */
  table(title: string, data: string, protocol: string, figures: readonly string[]): ResultTable {
    const places = [...this.#records.keys()]
      .map((key) => JSON.parse(key) as [string, string, string, string])
      .filter(([own, , , as]) => own === data && as === protocol);
    const several = new Set(places.map(([, model]) => model)).size > 1;
    return {
      title,
      columns: [...figures],
      rows: places.map(([, model, method]) => ({
        name: several ? `${model}, ${method}` : method,
        cells: figures.map((figure): Cell => this.cell({ data, model, method, protocol }, figure)),
      })),
    };
  }

  /** Mean curves of one data set and protocol, one for each model and method, for a picture. */
  curves(data: string, protocol: string, name: string): { name: string; x: number[]; y: number[] }[] {
    const own = this.#rows.filter((row) => row.data === data && row.protocol === protocol && row.curves);
    const several = new Set(own.map(({ model }) => model)).size > 1;
    const groups = new Map<string, MeasuredRow[]>();
    for (const row of own) {
      const title = several ? `${row.model}, ${row.explainer}` : row.explainer;
      groups.set(title, [...(groups.get(title) ?? []), row]);
    }
    const entry = this.sweep.protocols.find(({ as }) => as === protocol)!;
    const places = getProtocol(entry.name).curve?.x?.(entry.options);
    return [...groups].map(([title, rows]) => {
      const all = rows.flatMap((row) => row.curves!.map((curves) => curves[name]!));
      const y = all[0]!.map((_, at) => mean(all.map((curve) => curve[at]!)));
      return { name: title, x: places ?? [...y.keys()], y };
    });
  }

  /** A claim about one figure at two places, by the paired test on the examples that both have; undefined where one of them is missing. */
  compare(
    claim: Pick<Paired<Record_>, 'claim' | 'published' | 'expected'>,
    figure: string,
    first: Place & { name: string },
    second: Place & { name: string },
  ): Verdict[] {
    const [a, b] = [this.records(first), this.records(second)];
    if (!a || !b) return [];
    const both = [...a.keys()].filter((example) => b.has(example));
    const of = (records: ReadonlyMap<number, Record_>): Record_[] => both.map((example) => records.get(example)!);
    return [
      compared({
        ...claim,
        first: { name: first.name, records: of(a) },
        second: { name: second.name, records: of(b) },
        figure: this.figure(first.protocol, figure),
      }),
    ];
  }
}

/**
 * Runs one of the reproduction's sweeps, a data set and a model at a time, each from where its result file stands: a model that comes later is
 * measured alone. Its models and data sets are roles; those that are not there are left out and noted.
 * @param file its name in `reproduction/`
 */
export async function runOwnSweep(context: Context, file: string): Promise<SweepFindings> {
  const json = JSON.parse(await readFile(join(ownFolder, file), 'utf8')) as SweepJson;
  const parts: Sweep[] = [];
  for (const { role, models, options, ...own } of json.data)
    for (const model of models) {
      const path = context.modelPath(model);
      const found = path === undefined ? undefined : context.data(role);
      if (!found) continue;
      const data = { ...own, kind: found.kind, options: { count: context.samples, ...found.options, ...options } };
      parts.push(parseSweep({ ...json, name: `${json.name}-${own.name}-${model}`, models: [{ name: model, path }], data: [data] }));
    }
  if (parts.length === 0) throw new EvaluateError(`nothing can be measured: ${context.lacking.join('; ')}`);
  const measured: MeasuredRow[] = [];
  for (const sweep of parts) {
    const { rows, reason } = await runSweep(sweep, {
      out: join(context.folder, `${sweep.name}-${markOf(sweep)}`),
      folder: context.roles.folder,
      retry: true,
      ...(context.device ? { device: context.device } : {}),
      ...(context.signal ? { signal: context.signal } : {}),
      onProgress: ({ done, total, at }) => context.report(`${done}/${total} rows, ${at}`),
    });
    if (reason === 'interrupted') context.signal?.throwIfAborted();
    for (const row of rows) {
      if (failed(row)) context.lack(`${row.key.replaceAll('|', ', ')} failed: ${row.error}`);
      else measured.push(row);
    }
  }
  const [first] = parts as [Sweep, ...Sweep[]];
  return new SweepFindings({ ...first, data: parts.flatMap(({ data }) => data) }, measured);
}

interface SweepJson {
  name: string;
  data: { name: string; role: string; models: string[]; options?: Record<string, unknown> }[];
  [field: string]: unknown;
}
