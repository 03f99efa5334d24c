import { element, escapeText } from '../markup.js';
import { named, shorten } from '../names.js';
import { parameterText, percent } from '../numbers.js';
import { checkReport } from './check-report.js';
import { glossary } from './glossary.js';
import { definedPictures, isImage, thumbnail } from './images.js';
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

/**
 * A report as one self-contained HTML page: the text or picture, the answer and its probability, the maps side by side with what each means, its check
 * and its certificate, and a glossary. It opens without a network, holds no script, and adapts to narrow, dark and printed pages.
 * @throws RangeError naming the field that cannot be drawn (`results[0].maps[2].scores[17] is NaN`).
 */
export function explanationReport(report: Report): string {
  checkReport(report);
  const { results, model, version, created } = report;
  const single = results.length === 1;
  const question = model.task === 'classification' ? 'Why did the model answer so?' : 'Why did the model expect this?';
  const title = single ? `${named(answerName(results[0]!, model.task))}: ${question}` : question;
  const sections = results.map((result, row) => {
    const name = isImage(result) ? `Picture ${row + 1}` : `<span class="quiet">Text ${row + 1}</span> ${escapeText(shortText(result))}`;
    const heading = single ? '' : element('h2', {}, name);
    return section(result, model.task, `result-${row}`, heading);
  });
  const made = `Made by hidden-attention ${version}${created ? `, ${created}` : ''}.`;
  const head = [
    '<meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="${POLICY}">`,
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    '<meta name="color-scheme" content="light dark">',
    `<title>${escapeText(title)}</title>`,
    `<style>${pageStyle(results.some(isImage))}</style>`,
  ];
  const body = [
    `${definedPictures(report)}<header class="page"><h1>${question}</h1>${modelLine(report)}</header>`,
    ...(single ? [] : [contents(report)]),
    `<main>${sections.join('\n')}</main>`,
    glossary(results.some(isImage)),
    `<footer>${escapeText(made)}</footer>`,
  ];
  return `<!doctype html>\n<html lang="en">\n<head>\n${head.join('\n')}\n</head>\n<body>\n${body.join('\n')}\n</body>\n</html>\n`;
}
