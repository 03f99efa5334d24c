import { arrow, figureText, headingOf, judgement, scaleOf } from './figures.js';
import { sizeOf, standings } from './leaderboard.js';
import type { EvaluationReport, EvaluationTable } from './types.js';

const escaped = (text: string): string => text.replaceAll('|', '\\|');

function cellOf(own: EvaluationTable, method: string): string {
  const row = own.rows.find((other) => other.method === method);
  const cell = row?.cells[0];
  if (!row || !cell) return '–';
  const { best, levelWithBest, random } = judgement(own, row);
  const text = (figure: number): string => figureText(figure, scaleOf(own, 0));
  const value = text(cell.value);
  const marks = `${levelWithBest ? ' =' : ''}${random === 'level' ? ' ○' : ''}${random === 'worse' ? ' ▽' : ''}`;
  return `${best ? `**${value}**` : value} [${text(cell.low)}, ${text(cell.high)}]${marks}`;
}

/**
 * Who stands where, as tables in Markdown, one for each data set and model: places, the first figure of each protocol with its interval, and
 * what the paired tests say: `=` not told apart from the best, `○` not told apart from random maps, `▽` worse than they.
 */
export function leaderboardMarkdown(report: EvaluationReport): string {
  return standings(report)
    .map(({ data, model, tables, methods }) => {
      const head = tables.map(({ title, figures: [figure] }) => `${escaped(title)}: ${escaped(figure!.name)}${arrow[figure!.better]}`);
      const rows = methods.map(({ method, baseline, meanPlace }) => {
        const cost = report.costs.find((own) => own.data === data && own.model === model && own.method === method);
        const name = baseline ? `_${method}_` : `\`${escaped(method)}\``;
        const figures = tables.map((own) => cellOf(own, method));
        return [name, meanPlace === null ? '–' : meanPlace.toFixed(1), ...figures, cost ? figureText(cost.ms) : '–'];
      });
      const lines = [['method', 'mean place', ...head, 'ms a map'], ['---', '---:', ...head.map(() => '---'), '---:'], ...rows];
      return `## ${headingOf(data, model)}\n\n${sizeOf(tables)}.\n\n${lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n')}\n`;
    })
    .join('\n');
}
