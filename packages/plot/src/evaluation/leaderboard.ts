import { element, escapeText } from '../markup.js';
import { arrow, figureText, headingOf, intervalText, judgement, scaleOf } from './figures.js';
import { page, table } from './page.js';
import type { EvaluationCell, EvaluationReport, EvaluationTable } from './types.js';

/** Methods on one data set and model: their first figure in each protocol, and the mean of their places. */
export interface Standing {
  readonly data: string;
  readonly model: string;
  readonly tables: readonly EvaluationTable[];
  /** The best mean place first; baselines last. */
  readonly methods: readonly { readonly method: string; readonly baseline: boolean; readonly meanPlace: number | null }[];
}

/** Who stands where, a table for each data set and model: protocols without a better way rank nobody. */
export function standings({ tables }: EvaluationReport): Standing[] {
  const groups = new Map<string, EvaluationTable[]>();
  for (const own of tables.filter(({ figures }) => figures[0]!.better !== 'neither')) {
    const key = JSON.stringify([own.data, own.model]);
    groups.set(key, [...(groups.get(key) ?? []), own]);
  }
  return [...groups].map(([key, own]) => {
    const [data, model] = JSON.parse(key) as [string, string];
    const names = new Map(own.flatMap(({ rows }) => rows.map(({ method, baseline }) => [method, baseline] as const)));
    const methods = [...names].map(([method, baseline]) => {
      const places = own.flatMap(({ rows }) => rows.find((row) => row.method === method)?.place ?? []);
      const meanPlace = places.length === 0 ? null : places.reduce((sum, place) => sum + place, 0) / places.length;
      return { method, baseline, meanPlace };
    });
    const order = methods.toSorted(
      (a, b) => Number(a.baseline) - Number(b.baseline) || (a.meanPlace ?? Infinity) - (b.meanPlace ?? Infinity),
    );
    return { data, model, tables: own, methods: order };
  });
}

/** A figure's interval as a bar on the scale of its column, its value as a dot, and random's value as a line. */
function rangeHtml(own: EvaluationTable, { value, low, high }: EvaluationCell): string {
  const all = own.rows.flatMap(({ cells }) => cells[0] ?? []);
  const [from, to] = [Math.min(...all.map((cell) => cell.low)), Math.max(...all.map((cell) => cell.high))];
  const at = (figure: number): string => `${((100 * (figure - from)) / (to - from || 1)).toFixed(1)}%`;
  const random = own.rows.find(({ method }) => method === 'random')?.cells[0];
  return element(
    'span',
    { class: 'range', 'aria-hidden': 'true' },
    element('span', { class: 'extent', style: `left:${at(low)};right:calc(100% - ${at(high)})` }, '') +
      (random ? element('span', { class: 'chance', style: `left:${at(random.value)}` }, '') : '') +
      element('span', { class: 'dot', style: `left:${at(value)}` }, ''),
  );
}

function cellOf(own: EvaluationTable, method: string): string {
  const row = own.rows.find((other) => other.method === method);
  const cell = row?.cells[0];
  if (!row || !cell) return '–';
  const { best, levelWithBest, random } = judgement(own, row);
  const scale = scaleOf(own, 0);
  const notes = [
    levelWithBest ? 'level with the best' : '',
    random === 'level' ? 'level with random' : '',
    random === 'worse' ? 'worse than random' : '',
  ];
  return [
    element('span', { class: best ? 'best' : undefined }, figureText(cell.value, scale)),
    ' ',
    element('span', { class: 'interval' }, intervalText(cell, scale)),
    rangeHtml(own, cell),
    ...notes.filter(Boolean).map((note) => element('small', { class: 'note' }, note)),
  ].join('');
}

function standingHtml({ data, model, tables, methods }: Standing, costs: EvaluationReport['costs']): string {
  const costOf = (method: string): number | undefined =>
    costs.find((own) => own.data === data && own.model === model && own.method === method)?.ms;
  const head = [
    'method',
    'mean place',
    ...tables.map(
      ({ title, figures: [figure] }) => `${escapeText(title)}<br><small>${escapeText(figure!.name)}${arrow[figure!.better]}</small>`,
    ),
    'a map<br><small>ms, median</small>',
  ];
  const rows = methods.map(({ method, baseline, meanPlace }) => ({
    class: baseline ? 'baseline' : undefined,
    cells: [
      escapeText(method),
      meanPlace === null ? '–' : meanPlace.toFixed(1),
      ...tables.map((own) => cellOf(own, method)),
      costOf(method) === undefined ? '–' : figureText(costOf(method)!),
    ],
  }));
  return element(
    'section',
    {},
    element('h2', {}, escapeText(headingOf(data, model))) + element('p', { class: 'quiet' }, sizeOf(tables)) + table(head, rows),
  );
}

/** How many examples and seeds are behind the figures of some tables. */
export const sizeOf = (tables: readonly EvaluationTable[]): string => {
  const [examples, seeds] = [tables.map((own) => own.examples), tables.map((own) => own.seeds)].map((all) => Math.max(...all));
  return `${examples} examples${seeds! > 1 ? `, ${seeds} seeds where anything is drawn` : ''}`;
};

/** Who stands where, as one self-contained HTML page: for each data set and model the methods by the mean of their places in all protocols. */
export function leaderboardPage(report: EvaluationReport): string {
  const note =
    'The place of a method is the mean of its places in the protocols. Beside each figure stands its interval of 95 % over examples, below it the same as a bar, with a line at what random maps reach. The best figure is bold; “level” is what a paired test does not tell apart (p ≥ 0.05). Baselines are not ranked. The report beside this page has every figure and p.';
  return page(
    `Leaderboard: ${report.title}`,
    [
      `<header class="page"><h1>${escapeText(report.title)}</h1><p class="model">${note}</p></header>`,
      '<main>',
      ...standings(report).map((own) => standingHtml(own, report.costs)),
      '</main>',
    ],
    report.version,
  );
}
