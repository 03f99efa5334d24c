import { element, escapeText } from '../markup.js';
import { named, shorten } from '../names.js';
import { parameterText, percent } from '../numbers.js';
import { checkReports } from './check-report.js';
import { glossary } from './glossary.js';
import { definedPictures, isImage, thumbnail } from './images.js';
import { overview } from './overview.js';
import { answerName, readable } from './reading.js';
import { section } from './section.js';
import { pageStyle } from './style.js';
import type { Report, ReportResult } from './types.js';

/** Nothing may be loaded and no script may run: the page says so to the browser itself. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

function shortText(result: ReportResult): string {
  return shorten(readable(result).text.trim().replace(/\s+/g, ' '), 60);
}

function contents({ results, model }: Report): string {
  const items = results.map((result, row) => {
    const name = isImage(result) ? `${thumbnail(result)}Picture ${row + 1}` : escapeText(`“${shortText(result)}”`);
    const found = `${answerName(result, model.task)}, ${percent(result.target.probability)}`;
    return element(
      'li',
      {},
      `${element('a', { href: `#result-${row}` }, name)} ${element('span', { class: 'quiet' }, escapeText(`→ ${found}`))}`,
    );
  });
  const [label, what] = results.some(isImage) ? ['Pictures', 'pictures'] : ['Texts', 'texts'];
  return element('nav', { 'aria-label': label }, `<h2>${results.length} ${what}</h2><ol>${items.join('')}</ol>`);
}

function modelLine({ model, results }: Report): string {
  const sorts = results.some(isImage) ? 'sorts pictures into classes' : 'sorts texts into classes';
  const kind = model.task === 'classification' ? sorts : 'predicts how a text goes on';
  const layers = `${model.layers} layer${model.layers === 1 ? '' : 's'}`;
  const words = `The model ${model.name} ${kind}. It is of the ${model.family} family and has ${layers} and ${parameterText(model.parameters)} parameters.`;
  return element('p', { class: 'model' }, escapeText(words));
}

/** The sections of a page: one for each input; of several models one for each input and model, after what compares them. */
function sections([report, ...beside]: readonly [Report, ...Report[]]): string[] {
  const single = report.results.length === 1;
  return report.results.flatMap((result, row) => {
    const name = isImage(result) ? `Picture ${row + 1}` : `<span class="quiet">Text ${row + 1}</span> ${escapeText(shortText(result))}`;
    const heading = single ? '' : element('h2', {}, name);
    if (beside.length === 0) return [section(result, report.model.task, `result-${row}`, heading)];
    const sides = [report, ...beside].map((one) => ({ report: one, result: one.results[row]! }));
    const each = sides.map((side, at) =>
      section(
        side.result,
        side.report.model.task,
        at === 0 ? `result-${row}` : `result-${row}-${at}`,
        `${element('h2', {}, escapeText(side.report.model.name))}${modelLine(side.report)}`,
      ),
    );
    return [element('section', {}, heading + overview(sides)), ...each];
  });
}

/**
 * A report as one self-contained HTML page: the text or picture, the answer and its probability, the maps side by side with what each means, its check
 * and its certificate, and a glossary. It opens without a network, holds no script, and adapts to narrow, dark and printed pages.
 * @param beside reports of other models on the same inputs: their maps are first shown side by side
 * @throws RangeError naming the field that cannot be drawn (`results[0].maps[2].scores[17] is NaN`).
 */
export function explanationReport(report: Report, beside: readonly Report[] = []): string {
  const reports = [report, ...beside] as const;
  checkReports(reports);
  const { results, model, version, created } = report;
  const single = results.length === 1;
  const models = beside.length === 0 ? 'model' : 'models';
  const question = model.task === 'classification' ? `Why did the ${models} answer so?` : `Why did the ${models} expect this?`;
  const title = single ? `${named(answerName(results[0]!, model.task))}: ${question}` : question;
  const made = `Made by hidden-attention ${version}${created ? `, ${created}` : ''}.`;
  const head = [
    '<meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="${POLICY}">`,
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    '<meta name="color-scheme" content="light dark">',
    `<title>${escapeText(title)}</title>`,
    `<style>${pageStyle(results.some(isImage))}</style>`,
  ];
  const all = { ...report, results: reports.flatMap((one) => one.results) };
  const body = [
    `${definedPictures(all)}<header class="page"><h1>${question}</h1>${beside.length === 0 ? modelLine(report) : ''}</header>`,
    ...(single ? [] : [contents(report)]),
    `<main>${sections(reports).join('\n')}</main>`,
    glossary(results.some(isImage)),
    `<footer>${escapeText(made)}</footer>`,
  ];
  return `<!doctype html>\n<html lang="en">\n<head>\n${head.join('\n')}\n</head>\n<body>\n${body.join('\n')}\n</body>\n</html>\n`;
}
