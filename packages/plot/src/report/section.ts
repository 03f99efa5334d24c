import { legendHtml } from '../legend.js';
import { element, escapeText } from '../markup.js';
import { named } from '../names.js';
import { percent } from '../numbers.js';
import { card } from './card.js';
import { checkBars } from './check-chart.js';
import { isImage, sourcePicture } from './images.js';
import { answerName, answerSentence, readable } from './reading.js';
import { leadSentence } from './lead.js';
import type { Report, ReportResult } from './types.js';
import { counted, plural } from './unit.js';
import { verdict } from './verdict.js';

type Task = Report['model']['task'];

/** The text or the picture as the model got it; what comes after the position asked about is marked as unread. */
function source(result: ReportResult): string {
  if (isImage(result)) return sourcePicture(result);
  const { text, tokens } = readable(result);
  const last = result.position === null ? undefined : tokens[result.position];
  const end = last?.end ?? text.length;
  const unread = text.slice(end);
  const later = unread.trim() ? element('span', { class: 'unread' }, escapeText(unread)) : escapeText(unread);
  const note = unread.trim() ? '<p class="quiet">The pale part comes after the place asked about; the model had not read it.</p>' : '';
  const attributes = { class: 'source', dir: 'auto', tabindex: '0', 'aria-label': 'The text' };
  return element('blockquote', attributes, escapeText(text.slice(0, end)) + later) + note;
}

function answer(result: ReportResult, task: Task): string {
  const { target, alternatives = [] } = result;
  const own = { id: target.id, label: answerName(result, task), probability: target.probability };
  const others = alternatives.map((other) => ({ ...other, label: task === 'classification' ? other.label : named(other.label) }));
  const rows = [own, ...others].map(({ id, label, probability }) => {
    const bar = element(
      'span',
      { class: `bar ${id === target.id ? 'target' : 'other'}`, style: `width:${(100 * probability).toFixed(2)}%` },
      '',
    );
    const cells = [
      element('th', { scope: 'row' }, escapeText(label)),
      element('td', { class: 'figure' }, percent(probability)),
      element('td', { class: 'bars' }, element('span', { class: 'track', 'aria-hidden': 'true' }, bar)),
    ];
    return element('tr', { class: id === target.id ? 'target' : undefined }, cells.join(''));
  });
  const table = element('table', { class: 'answers' }, `<caption>Possible answers</caption>${element('tbody', {}, rows.join(''))}`);
  const symbols = [own, ...others].some(({ label }) => /[␣⏎]/.test(label));
  const note = symbols ? '<p class="quiet">␣ stands for a space, ⏎ for a line break.</p>' : '';
  const big = `${element('span', { class: 'answer' }, escapeText(own.label))} ${element('span', { class: 'probability' }, percent(own.probability))}`;
  return `${element('p', { class: 'big' }, big)}${element('p', {}, escapeText(answerSentence(result, task)))}${table}${note}`;
}

/** How to read the colours, with a legend of each palette in use. */
function howToRead(result: ReportResult): string {
  const { maps } = result;
  const image = isImage(result);
  const over = image ? 'picture' : 'paper';
  const parts = [
    image
      ? 'Each map colours the same picture by how much a patch counted, in its own way of counting: the thicker the colour, the more. The picture is pale below, so that the colours show on its dark and its light parts alike. Point at a patch for its place and score.'
      : 'Each map colours the same text by how much a word counted, in its own way of counting. Words without colour have no weight. Point at a word for its score.',
  ];
  if (maps.some(({ signed }) => signed)) {
    const legend = legendHtml({ signed: true, limit: 1, over, ends: ['below zero', 'above zero'] });
    parts.push(
      image
        ? `${legend} Orange patches have positive scores; blue ones, marked with a dash, negative ones.`
        : `${legend} Orange words have positive scores; blue, dashed underlined words negative ones.`,
    );
  }
  if (maps.some(({ signed }) => !signed)) {
    const legend = legendHtml({ signed: false, limit: 1, over, ends: [image ? 'least weight' : 'no weight', 'most weight'] });
    parts.push(`${legend} In maps without signs, ${image ? 'more' : 'darker'} green means more weight.`);
  }
  return element('div', { class: 'how' }, `<h4>How to read this</h4>${parts.map((part) => `<div>${part}</div>`).join('')}`);
}

/** All checks of a result side by side: which map to believe. Empty where no map was checked. */
function glance({ maps }: ReportResult, key: string): string {
  const checked = maps.flatMap((map, index) => (map.certificate.check ? [{ map, index, check: map.certificate.check }] : []));
  const first = checked[0];
  if (!first) return '';
  const rows = checked.map(({ map, index, check }) => {
    const { outcome, sign, short } = verdict(check);
    const bars = new Map(checkBars(check).map(({ kind, probability }) => [kind, probability]));
    const figure = (kind: 'top' | 'random' | 'lowest'): string => {
      const probability = bars.get(kind);
      return element(
        'td',
        { class: `figure${kind === 'lowest' ? ' optional' : ''}` },
        probability === undefined ? '–' : percent(probability),
      );
    };
    const variant = map.variant === 'paper' ? '' : ` (${map.variant})`;
    const name = element('a', { href: `#${key}-map-${index}` }, escapeText(map.title + variant));
    const badge = element('span', { class: `badge ${outcome}` }, `<span aria-hidden="true">${sign}</span> ${short}`);
    return element(
      'tr',
      {},
      element('th', { scope: 'row' }, name) + figure('top') + figure('random') + figure('lowest') + element('td', {}, badge),
    );
  });
  const { removed, unit, probability } = first.check;
  const columns = [['Map'], ['top', 'figure'], ['random', 'figure'], ['lowest', 'figure optional'], ['verdict']] as const;
  const head = columns.map(([name, kind]) => element('th', { scope: 'col', class: kind }, name)).join('');
  const words = `Maps are calculations, and they do not always agree. So each one was put to the test: the ${counted(removed, unit)} it ranks highest ${removed === 1 ? 'was' : 'were'} ${unit === 'patch' ? 'made black' : 'taken out of the text'} and the model was asked again. If the map is right, the answer’s probability falls from ${percent(probability.original)}, and falls further than after removing as many ${plural(unit)} at random.`;
  const caption = `Probability of the answer after removing the top ${counted(removed, unit)}, random ones, the lowest-ranked`;
  const table = `<table><caption>${caption}</caption><thead><tr>${head}</tr></thead><tbody>${rows.join('')}</tbody></table>`;
  return element('div', { class: 'glance' }, `<h4>Which map to believe?</h4><p>${words}</p><div class="wide">${table}</div>`);
}

/** The section of one input: its text, the answer, and the maps. `key` is unique in the page. */
export function section(result: ReportResult, task: Task, key: string, heading: string): string {
  const cards = result.maps.map((map, index) => card(map, result, `${key}-map-${index}`));
  const pieces = isImage(result) ? 'patches' : 'words';
  const question = task === 'classification' ? `Which ${pieces} made it answer so?` : `Which ${pieces} made it expect that?`;
  const maps =
    cards.length > 0
      ? `<h3>${question}</h3>${element('p', { class: 'lead' }, escapeText(leadSentence(result)))}${howToRead(result)}${glance(result, key)}<div class="cards">${cards.join('\n')}</div>`
      : '<p>No map was asked for.</p>';
  const top = [
    element('div', { class: 'text' }, `<h3>The ${isImage(result) ? 'picture' : 'text'}</h3>${source(result)}`),
    element('div', { class: 'outcome' }, `<h3>The answer</h3>${answer(result, task)}`),
  ];
  const kind = isImage(result) ? 'top seen' : 'top';
  return element('section', { id: key }, `${heading}<div class="${kind}">${top.join('')}</div>${maps}`);
}
