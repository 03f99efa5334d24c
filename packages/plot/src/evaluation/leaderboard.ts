import { element, escapeText } from '../markup.js';
import { arrow, bestOf, figureText } from './figures.js';
import { page, table } from './page.js';
import type { EvaluationReport, EvaluationTable } from './types.js';

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

function standingHtml({ data, model, tables, methods }: Standing): string {
  const head = [
    'method',
    'mean place',
    ...tables.map(
      ({ title, figures: [figure] }) => `${escapeText(title)}<br><small>${escapeText(figure!.name)}${arrow[figure!.better]}</small>`,
    ),
  ];
  const rows = methods.map(({ method, baseline, meanPlace }) => ({
    class: baseline ? 'baseline' : undefined,
    cells: [
      escapeText(method),
      meanPlace === null ? '–' : meanPlace.toFixed(1),
      ...tables.map((own) => {
        const cell = own.rows.find((row) => row.method === method)?.cells[0];
        if (!cell) return '–';
        const best = !baseline && cell.value === bestOf(own, 0);
        return element(
          'span',
          { class: best ? 'best' : undefined, title: `${figureText(cell.low)} to ${figureText(cell.high)}` },
          figureText(cell.value),
        );
      }),
    ],
  }));
  return element('section', {}, element('h2', {}, escapeText(`${data}, ${model}`)) + table(head, rows));
}

/** Who stands where, as one self-contained HTML page: for each data set and model the methods by the mean of their places in all protocols. */
export function leaderboardPage(report: EvaluationReport): string {
  const note =
    'The place of a method is the mean of its places in the protocols; the best figure of each is bold, its interval of 95 % is in the tooltip. Baselines are not ranked. Places say who is ahead here, not by how much: the report has intervals and tests.';
  return page(
    `Leaderboard: ${report.title}`,
    [
      `<header class="page"><h1>${escapeText(report.title)}</h1><p class="model">${note}</p></header>`,
      '<main>',
      ...standings(report).map(standingHtml),
      '</main>',
    ],
    report.version,
  );
}
