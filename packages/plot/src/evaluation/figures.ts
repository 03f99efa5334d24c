import { element, escapeText } from '../markup.js';
import type { EvaluationCell, EvaluationRow, EvaluationTable } from './types.js';

/**
 * A figure in as many digits as say something.
 * @param scale the largest size beside it: what is less than a ten-thousandth of it is no more than rounding, and shown as 0.000
 */
export function figureText(value: number, scale: number = Math.abs(value)): string {
  const size = Math.abs(value);
  if (size < 1e-4 * scale) return (0).toFixed(3);
  if (size !== 0 && (size < 1e-3 || size >= 1e5)) return value.toExponential(1);
  return value.toFixed(size >= 10 ? 1 : size >= 1 ? 2 : 3);
}

/** The largest size in a column. */
export const scaleOf = ({ rows }: EvaluationTable, column: number): number =>
  Math.max(0, ...rows.flatMap(({ cells }) => (cells[column] ? Math.abs(cells[column].value) : [])));

/** A figure's interval. */
export const intervalText = ({ low, high }: EvaluationCell, scale?: number): string =>
  `${figureText(low, scale)} to ${figureText(high, scale)}`;

/** The best value of a column among methods; undefined where no way is better. */
export function bestOf({ rows, figures }: EvaluationTable, column: number): number | undefined {
  const { better } = figures[column]!;
  if (better === 'neither') return undefined;
  const values = rows.filter(({ baseline }) => !baseline).flatMap(({ cells }) => cells[column]?.value ?? []);
  return values.length === 0 ? undefined : better === 'higher' ? Math.max(...values) : Math.min(...values);
}

export function cellHtml(cell: EvaluationCell | null, best: boolean, scale: number): string {
  if (!cell) return '–';
  const value = element('span', { class: best ? 'best' : undefined }, figureText(cell.value, scale));
  const interval = element('span', { class: 'interval' }, intervalText(cell, scale));
  return `${value} ${interval}`;
}

/** Methods by place, then baselines. */
export const inOrder = (rows: readonly EvaluationRow[]): EvaluationRow[] =>
  rows.toSorted((a, b) => Number(a.baseline) - Number(b.baseline) || (a.place ?? Infinity) - (b.place ?? Infinity));

export const arrow = { higher: ' ↑', lower: ' ↓', neither: '' } as const;

/** What a data set on a model is called: once, where both have the same name. */
export const headingOf = (data: string, model: string): string => (data === model ? data : `${data}, ${model}`);

/** The head of a figure's column: its name, which way is better, and in words as a tooltip. */
export const figureHead = ({ name, better, summary }: EvaluationTable['figures'][number]): string =>
  element('span', { title: summary }, escapeText(name) + arrow[better]);

/** How a method's first figure stands by the paired tests, at 5 %. */
export interface Judgement {
  /** the best figure of all methods */
  readonly best: boolean;
  /** not the best one, but the test does not tell them apart */
  readonly levelWithBest: boolean;
  /** against random maps; undefined where there are none, and of random itself */
  readonly random: 'better' | 'level' | 'worse' | undefined;
}

const significant = (p: number): boolean => p < 0.05;

/** What a table's tests say of a row; baselines are not compared with the best. */
export function judgement(table: EvaluationTable, { baseline, cells, againstBest, againstRandom }: EvaluationRow): Judgement {
  const [value, random] = [cells[0]?.value, table.rows.find(({ method }) => method === 'random')?.cells[0]?.value];
  const { better } = table.figures[0]!;
  const best = !baseline && value !== undefined && value === bestOf(table, 0);
  const ahead = value !== undefined && random !== undefined && (better === 'higher' ? value > random : value < random);
  return {
    best,
    levelWithBest: !best && againstBest !== null && !significant(againstBest),
    random: againstRandom === null ? undefined : !significant(againstRandom) ? 'level' : ahead ? 'better' : 'worse',
  };
}
