import { robustLimit } from '../check.js';
import { svgFragment } from '../drawing.js';
import { overlayDrawing } from '../image/overlay.js';
import { described } from '../image/patches.js';
import { element, escapeText } from '../markup.js';
import { percent } from '../numbers.js';
import { isImage } from './images.js';
import { answerName } from './reading.js';
import type { Report, ReportMap, ReportResult } from './types.js';
import { verdict } from './verdict.js';

const WIDTH = 168;

/** A report that was checked, and the input row of it that is looked at. */
interface Side {
  readonly report: Report;
  readonly result: ReportResult;
}

const nameOf = ({ title, variant }: ReportMap): string => (variant === 'paper' ? title : `${title} (${variant})`);

/** What a model answered. */
function head({ report, result }: Side): string {
  const answer = `${answerName(result, report.model.task)}, ${percent(result.target.probability)}`;
  return element('th', { scope: 'col' }, `${escapeText(report.model.name)} <small>${escapeText(answer)}</small>`);
}

/** A map over its picture, and how it did in its check; only the latter of a text. */
function cell(name: string, { result }: Side): string {
  const map = result.maps.find((other) => nameOf(other) === name);
  if (!map) return element('td', { class: 'quiet' }, 'not for this model');
  const { check } = map.certificate;
  const { outcome, sign, short } = check ? verdict(check) : { outcome: 'untested', sign: '–', short: 'not checked' };
  const badge = element('span', { class: `badge ${outcome}` }, `<span aria-hidden="true">${sign}</span> ${short}`);
  if (!isImage(result)) return element('td', {}, badge);
  const { picture, grid } = result;
  const overlay = { picture, grid, scores: map.scores, signed: map.signed, limit: robustLimit(map.scores), width: WIDTH };
  const svg = svgFragment(overlayDrawing(overlay, 'plain'), `${name} over the picture. ${described(overlay)}`);
  return element('td', {}, element('div', { class: 'overlay' }, svg) + badge);
}

/** What several models answered about one input, a column each, and all their maps of it, a line each. */
export function overview(sides: readonly Side[]): string {
  const names = [...new Set(sides.flatMap(({ result }) => result.maps.map(nameOf)))];
  const rows = names.map((name) => {
    const cells = sides.map((side) => cell(name, side));
    return element('tr', {}, element('th', { scope: 'row' }, escapeText(name)) + cells.join(''));
  });
  const top = element('tr', {}, element('th', { scope: 'col' }, 'Map') + sides.map(head).join(''));
  const caption = 'Each map has its own scale; what it means, and its check in figures, follow below, model by model.';
  const table = `<table><caption>${caption}</caption><thead>${top}</thead><tbody>${rows.join('')}</tbody></table>`;
  return element('div', { class: 'glance beside' }, `<h3>Side by side</h3><div class="wide">${table}</div>`);
}
