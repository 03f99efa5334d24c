import { curves } from '../curves.js';
import { imageFigure } from '../image/figure.js';
import { element, escapeText } from '../markup.js';
import { tokenStripHtml } from '../tokens.js';
import { bestOf, cellHtml, figureHead, figureText, headingOf, inOrder, scaleOf } from './figures.js';
import { page, table } from './page.js';
import type { EvaluationExample, EvaluationReport, EvaluationTable } from './types.js';

function chance(p: number | null): string {
  return p === null ? '–' : p < 0.0015 ? '< 0.002' : p.toFixed(3);
}

function tableHtml(own: EvaluationTable): string {
  const best = own.figures.map((_, column) => bestOf(own, column));
  const head = [
    'method',
    ...own.figures.map(figureHead),
    'p, best',
    'p, random',
    '<span title="the example where the first figure is worst">worst</span>',
  ];
  const rows = inOrder(own.rows).map(({ method, baseline, cells, againstBest, againstRandom, worst, failed }) => ({
    class: baseline ? 'baseline' : undefined,
    cells: [
      escapeText(method) + (failed > 0 ? ` <small>${failed} rows failed</small>` : ''),
      ...cells.map((cell, column) => cellHtml(cell, !baseline && cell?.value === best[column], scaleOf(own, column))),
      chance(againstBest),
      chance(againstRandom),
      worst ? `${worst.example} <span class="interval">${figureText(worst.value, scaleOf(own, 0))}</span>` : '–',
    ],
  }));
  const size = `${own.examples} examples${own.seeds > 1 ? `, ${own.seeds} seeds where anything is drawn` : ''}`;
  const charts = own.charts.map(({ name, x, xLabel, yLabel, lines }) =>
    curves({ title: name, xLabel, yLabel, series: lines.map(({ method, y }) => ({ name: method, x, y })) }),
  );
  return [
    element('h3', { id: anchor(own) }, escapeText(own.title)),
    element('p', {}, `${escapeText(own.summary)} <small>${escapeText(`${size}. ${own.cite}`)}</small>`),
    table(head, rows),
    charts.length > 0 ? element('details', {}, `<summary>Curves</summary><div class="paper">${charts.join('')}</div>`) : '',
  ].join('\n');
}

const anchor = ({ data, model, protocol }: EvaluationTable): string => `${data}-${model}-${protocol}`.replace(/[^a-z0-9-]+/gi, '-');

function exampleHtml({ data, model, example, why, answer, text, spans, picture, grid, maps }: EvaluationExample): string {
  const heading = element('h4', {}, escapeText(`${headingOf(data, model)}: example ${example}, ${why}`));
  const answered = element('p', { class: 'quiet' }, escapeText(answer));
  if (picture && grid) {
    const rows = [{ picture, name: `example ${example}`, maps: maps.map(({ method, ...map }) => ({ ...map, grid, title: method })) }];
    return element(
      'section',
      { class: 'example' },
      `${heading}${answered}<div class="paper scroll">${imageFigure({ rows, width: 130 })}</div>`,
    );
  }
  const strips = maps.map(({ method, signed, scores }) => {
    const words = (spans ?? []).map(([start, end], at) => ({ start, end, score: scores[at]! }));
    return `<div class="method-map"><h5>${escapeText(method)}</h5>${tokenStripHtml({ text: text ?? '', words, signed })}</div>`;
  });
  return element('section', { class: 'example' }, `${heading}${answered}<div class="method-maps">${strips.join('')}</div>`);
}

function costsHtml({ costs }: EvaluationReport): string {
  const head = ['method', 'data', 'model', 'ms, median', 'ms, slowest', 'MiB, most'];
  const rows = costs.map(({ method, data, model, ms, slowest, mib }) => ({
    cells: [...[method, data, model].map(escapeText), ...[ms, slowest, mib].map(figureText)],
  }));
  return table(head, rows);
}

/**
 * A sweep as one self-contained HTML page: a table for each data set, model and protocol with intervals and paired tests, curves, maps of
 * examples, what maps cost, and what failed or was left out.
 */
export function evaluationReport(report: EvaluationReport): string {
  const { title, tables, examples, failures, leftOut, version } = report;
  const groups = [...new Set(tables.map(({ data, model }) => JSON.stringify([data, model])))].map(
    (key) => JSON.parse(key) as [string, string],
  );
  const contents = groups.map(([data, model]) => {
    const links = tables
      .filter((own) => own.data === data && own.model === model)
      .map((own) => element('a', { href: `#${anchor(own)}` }, escapeText(own.title)));
    return element('li', {}, `${escapeText(headingOf(data, model))}: ${links.join(' · ')}`);
  });
  const note =
    'Behind each figure stands its bootstrap interval of 95 % over examples. “p” is of a paired test: how often a random swap of two methods’ results, example by example, differs as much. Methods are compared on one model; figures of two models say nothing about methods. Random knows nothing, the oracle knows the answer.';
  const list = (name: string, rows: readonly [string, string][]): string =>
    rows.length === 0
      ? ''
      : `<h2>${name}</h2><ul>${rows.map(([what, why]) => `<li>${escapeText(what)}: ${escapeText(why)}</li>`).join('')}</ul>`;
  return page(
    title,
    [
      `<header class="page"><h1>${escapeText(title)}</h1><p class="model">${note}</p></header>`,
      element('nav', { 'aria-label': 'Tables' }, `<ol>${contents.join('')}</ol>`),
      '<main>',
      ...groups.map(([data, model]) =>
        element(
          'section',
          {},
          element('h2', {}, escapeText(headingOf(data, model))) +
            tables
              .filter((own) => own.data === data && own.model === model)
              .map(tableHtml)
              .join('\n'),
        ),
      ),
      examples.length > 0 ? element('section', {}, `<h2>Examples</h2>${examples.map(exampleHtml).join('\n')}`) : '',
      element('section', {}, `<h2>What maps cost</h2>${costsHtml(report)}`),
      list(
        'What failed',
        failures.map(({ what, error }) => [what, error]),
      ),
      list(
        'What was left out',
        leftOut.map(({ what, reason }) => [what, reason]),
      ),
      '</main>',
    ],
    version,
  );
}
