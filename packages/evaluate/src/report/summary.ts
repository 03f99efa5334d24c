import type { EvaluationCost, EvaluationReport, EvaluationRow, EvaluationTable } from '@hidden-attention/plot';
import { summarize, summarizeOne, type Protocol } from '../protocol.js';
import { bootstrapFigures, mean, pairedTest } from '../statistics.js';
import type { ChosenProtocol } from '../sweep/chosen.js';
import type { Plan } from '../sweep/plan.js';
import { failed, type MeasuredRow, type Row } from '../sweep/rows.js';
import type { Sweep } from '../sweep/schema.js';
import { version } from '../version.js';

type Record_ = Record<string, number>;

/** Records of one method: by example, one each, the mean over seeds. */
export type ByExample = Map<number, Record_>;

const isBaseline = (name: string): boolean => name === 'random' || name === 'oracle';

/** Values of the same example under several seeds, as their means. */
export function byExample(rows: readonly MeasuredRow[]): ByExample {
  const all = new Map<number, Record_[]>();
  for (const { examples, values } of rows)
    examples.forEach((example, i) => {
      const known = all.get(example);
      if (known) known.push(values[i]!);
      else all.set(example, [values[i]!]);
    });
  return new Map(
    [...all]
      .toSorted(([a], [b]) => a - b)
      .map(([example, records]) => [
        example,
        Object.fromEntries(Object.keys(records[0]!).map((name) => [name, mean(records.map((record) => record[name]!))])),
      ]),
  );
}

/** What a sweep found, as its pages show it; without examples, which need the models. */
export function summarizeSweep(sweep: Sweep, plan: Plan, rows: readonly Row[]): EvaluationReport {
  const measured = rows.filter((row): row is MeasuredRow => !failed(row));
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const key = JSON.stringify([row.data, row.model, row.protocol]);
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  const order = sweep.protocols.map(({ as }) => as);
  const tables = [...groups]
    .map(([key, own]) => [JSON.parse(key) as [string, string, string], own] as const)
    .toSorted(([[, , a]], [[, , b]]) => order.indexOf(a) - order.indexOf(b))
    .flatMap(([[data, model, as], own]) => {
      const chosen = plan.protocols.find((protocol) => protocol.as === as);
      return chosen ? [tableOf(data, model, chosen, own)] : [];
    });
  return {
    name: sweep.name,
    title: sweep.title ?? sweep.name,
    version,
    tables,
    examples: [],
    costs: costsOf(measured),
    failures: rows.filter(failed).map(({ key, error }) => ({ what: key.replaceAll('|', ', '), error })),
    leftOut: plan.leftOut.map(({ data, model, what, reason }) => ({ what: `${what}, ${data}, ${model}`, reason })),
  };
}

function tableOf(data: string, model: string, { as, protocol, options }: ChosenProtocol, rows: readonly Row[]): EvaluationTable {
  const { title, summary, cite, figures, curve } = protocol;
  const methods = [...new Set(rows.map(({ explainer }) => explainer))];
  const records = new Map(
    methods.map((method) => [method, byExample(rows.filter((row): row is MeasuredRow => !failed(row) && row.explainer === method))]),
  );
  const first = figures[0]!;
  const value = (own: readonly Record_[], name: string): number | undefined => summarizeOne(protocol as Protocol<never>, own, name);
  const ranking = methods
    .filter((method) => !isBaseline(method) && records.get(method)!.size > 0 && first.better !== 'neither')
    .map((method) => ({ method, value: value([...records.get(method)!.values()], first.name) ?? NaN }))
    .filter((own) => !Number.isNaN(own.value))
    .toSorted((a, b) => (first.better === 'higher' ? b.value - a.value : a.value - b.value));
  const against = (method: string, other: string | undefined): number | null => {
    if (other === undefined || other === method || first.better === 'neither') return null;
    const [a, b] = [records.get(method), records.get(other)];
    if (!a || !b) return null;
    const both = [...a.keys()].filter((example) => b.has(example));
    if (both.length < 2) return null;
    const of = (own: ByExample): Record_[][] => both.map((example) => [own.get(example)!]);
    return pairedTest(of(a), of(b), (own) => value(own, first.name) ?? 0).p;
  };
  const rowOf = (method: string): EvaluationRow => {
    const own = records.get(method)!;
    const examples = [...own.values()].map((record) => [record]);
    const intervals = examples.length === 0 ? {} : bootstrapFigures(examples, (drawn) => summarize(protocol as Protocol<never>, drawn));
    const place = ranking.findIndex((ranked) => ranked.method === method);
    // places of equal values are equal
    const tied = place < 0 ? -1 : ranking.findIndex((ranked) => ranked.value === ranking[place]!.value);
    return {
      method,
      baseline: isBaseline(method),
      cells: figures.map(({ name }) => intervals[name] ?? null),
      place: tied < 0 ? null : tied + 1,
      againstBest: isBaseline(method) ? null : against(method, ranking[0]?.method),
      againstRandom: method === 'random' ? null : against(method, 'random'),
      worst: worstOf(own, protocol),
      failed: rows.filter((row) => failed(row) && row.explainer === method).length,
    };
  };
  return {
    data,
    model,
    protocol: as,
    title: as === protocol.name ? title : `${title}: ${as}`,
    summary,
    cite,
    examples: new Set([...records.values()].flatMap((own) => [...own.keys()])).size,
    seeds: new Set(rows.map(({ seed }) => seed)).size,
    figures,
    rows: methods.map(rowOf),
    charts: curve ? chartsOf(curve, options, rows) : [],
  };
}

/** The example on which the first figure is worst. */
function worstOf(own: ByExample, protocol: Protocol): EvaluationRow['worst'] {
  const { name, better } = protocol.figures[0]!;
  if (better === 'neither') return null;
  let worst: EvaluationRow['worst'] = null;
  for (const [example, record] of own) {
    const value = summarizeOne(protocol as Protocol<never>, [record], name);
    if (value === undefined || !Number.isFinite(value)) continue;
    if (!worst || (better === 'higher' ? value < worst.value : value > worst.value)) worst = { example, value };
  }
  return worst;
}

/** Mean curves, a chart for each kind of curve. */
function chartsOf(curve: NonNullable<Protocol['curve']>, options: object, rows: readonly Row[]): EvaluationTable['charts'] {
  const sums = new Map<string, Map<string, { count: number; y: number[] }>>();
  for (const row of rows) {
    if (failed(row)) continue;
    for (const curves of row.curves ?? [])
      for (const [name, y] of Object.entries(curves)) {
        const lines = sums.get(name) ?? new Map<string, { count: number; y: number[] }>();
        sums.set(name, lines);
        const line = lines.get(row.explainer) ?? { count: 0, y: y.map(() => 0) };
        lines.set(row.explainer, { count: line.count + 1, y: line.y.map((sum, i) => sum + y[i]!) });
      }
  }
  return [...sums].map(([name, lines]) => ({
    name,
    xLabel: curve.xLabel,
    yLabel: curve.yLabel,
    x: curve.x?.(options) ?? [...lines.values().next().value!.y.keys()],
    lines: [...lines].map(([method, { count, y }]) => ({ method, y: y.map((sum) => sum / count) })),
  }));
}

function costsOf(rows: readonly MeasuredRow[]): EvaluationCost[] {
  const groups = new Map<string, MeasuredRow['cost']>();
  for (const { data, model, explainer, cost } of rows) {
    if (isBaseline(explainer)) continue;
    const key = JSON.stringify([data, model, explainer]);
    groups.set(key, [...(groups.get(key) ?? []), ...cost.filter(({ ms }) => ms > 0)]);
  }
  return [...groups]
    .filter(([, costs]) => costs.length > 0)
    .map(([key, costs]) => {
      const [data, model, method] = JSON.parse(key) as [string, string, string];
      const times = costs.map(({ ms }) => ms).toSorted((a, b) => a - b);
      return {
        data,
        model,
        method,
        ms: times[Math.floor(times.length / 2)]!,
        slowest: times.at(-1)!,
        mib: Math.max(...costs.map(({ mib }) => mib)),
      };
    })
    .toSorted((a, b) => b.ms - a.ms);
}
