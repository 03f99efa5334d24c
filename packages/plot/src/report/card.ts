import { max } from 'd3-array';
import { robustLimit } from '../check.js';
import { svgFragment } from '../drawing.js';
import { layerGrid } from '../grid.js';
import { legendHtml } from '../legend.js';
import { element, escapeText } from '../markup.js';
import { named } from '../names.js';
import { percent, scoreText } from '../numbers.js';
import { layerFilm, layerStripDrawing, overlayDrawing, overlayEnds } from '../overlay.js';
import { tokenStripHtml } from '../tokens.js';
import { certificateHtml } from './certificate.js';
import { checkChart } from './check-chart.js';
import { mapSpans, readable, topWords, type RankedWord } from './reading.js';
import type { ReportMap, ReportResult } from './types.js';
import { plural } from './unit.js';
import { verdict } from './verdict.js';

const LISTED = 8;
const LISTED_AGAINST = 4;

/** One way to look at a map: by word, by token, by sentence. */
interface View {
  readonly name: string;
  readonly html: string;
}

function legendOf(scores: readonly number[], limit: number, signed: boolean): string {
  return legendHtml({ signed, limit, clipped: (max(scores, Math.abs) ?? 0) > limit });
}

function views(map: ReportMap, result: ReportResult): View[] {
  const { signed } = map;
  if (result.grid) {
    const limit = robustLimit(map.scores);
    const shared = { picture: result.picture!, grid: result.grid, signed, limit };
    const svg = svgFragment(overlayDrawing({ ...shared, scores: map.scores, width: 280 }), `${map.title}: scores over the picture`);
    return [
      {
        name: 'By patch',
        html: element('div', { class: 'overlay' }, svg) + legendHtml({ signed, limit, ...overlayEnds(map.scores, signed, limit) }),
      },
    ];
  }
  const { text, tokens } = readable(result);
  const spans =
    result.text === null
      ? []
      : ([
          ['By word', map.words],
          ['By sentence', map.sentences],
        ] as const);
  const bySpans = spans.flatMap(([name, words]) => {
    if (!words || words.length === 0) return [];
    const scores = words.map(({ score }) => score);
    const limit = robustLimit(scores);
    return [{ name, html: tokenStripHtml({ text, words, signed, limit }) + legendOf(scores, limit, signed) }];
  });
  const limit = robustLimit(map.scores);
  const strip = tokenStripHtml({ text, tokens, scores: map.scores, signed, limit });
  const byToken = { name: 'By token', html: strip + legendOf(map.scores, limit, signed) };
  const [first, ...rest] = bySpans;
  return first ? [first, byToken, ...rest] : [byToken];
}

/** Views behind radio buttons: no script, works with a keyboard, prints the one chosen. */
function switchable(key: string, title: string, choices: readonly View[]): string {
  if (choices.length === 1) return element('div', { class: 'view shown' }, choices[0]!.html);
  const radios = choices.map(({ name }, index) => {
    const id = `${key}-view-${index}`;
    const attributes = { type: 'radio', name: `${key}-view`, id, class: `choice choice-${index}`, checked: index === 0 ? '' : undefined };
    return `${element('input', attributes)}${element('label', { for: id }, name)}`;
  });
  const panes = choices.map(({ html }, index) => element('div', { class: `view view-${index}` }, html));
  const attributes = { class: 'views', role: 'group', 'aria-label': `${title}: coloured text` };
  return element('div', attributes, radios.join('') + panes.join(''));
}

function wordList(caption: string, words: readonly RankedWord[], sign: 'positive' | 'negative' | 'unsigned'): string {
  const largest = max(words, ({ share }) => share) || 1;
  const rows = words.map(({ text, score, share }) => {
    const bar = element('span', { class: `bar ${sign}`, style: `width:${((100 * share) / largest).toFixed(1)}%` }, '');
    const title = `score ${scoreText(score, sign !== 'unsigned')}`;
    const prefix = sign === 'unsigned' ? '' : score > 0 ? '+' : '\u2212';
    const cells = [
      element('th', { scope: 'row', dir: 'auto' }, escapeText(named(text))),
      element('td', { class: 'figure', title }, `${prefix}${percent(share)}`),
      element('td', { class: 'bars' }, element('span', { class: 'track', 'aria-hidden': 'true' }, bar)),
    ];
    return element('tr', {}, cells.join(''));
  });
  return element('table', { class: 'words' }, element('caption', {}, caption) + element('tbody', {}, rows.join('')));
}

function wordLists(map: ReportMap, result: ReportResult): string {
  const { unit } = mapSpans(map, result);
  const { highest, lowest } = topWords(map, result, LISTED);
  const lists: string[] = [];
  if (highest.length > 0)
    lists.push(wordList(`Highest ${plural(unit)} <small>share of this map</small>`, highest, map.signed ? 'positive' : 'unsigned'));
  if (lowest.length > 0)
    lists.push(wordList(`Lowest ${plural(unit)} <small>below zero</small>`, lowest.slice(0, LISTED_AGAINST), 'negative'));
  return element('div', { class: 'word-lists' }, lists.join('') || '<p>Every score of this map is zero.</p>');
}

function layersHtml(map: ReportMap, result: ReportResult): string {
  if (!map.layers || map.layers.length === 0) return '';
  const layers = map.layers;
  const signed = map.signed || layers.some((scores) => scores.some((score) => score < 0));
  if (result.grid) {
    const strip = layerStripDrawing({ picture: result.picture!, grid: result.grid, layers, signed });
    const figure = element(
      'div',
      { class: 'overlay', tabindex: '0', role: 'group', 'aria-label': 'Score by layer and patch' },
      svgFragment(strip, 'The map, layer by layer'),
    );
    const film = layerFilm({ picture: result.picture!, grid: result.grid, layers, signed });
    return element('details', {}, `<summary>Layer by layer</summary><p>Each layer has its own scale.</p>${film}${figure}`);
  }
  const tokens = readable(result).tokens.map(({ text }) => text);
  const grid = layerGrid({ layers, tokens, signed, limit: robustLimit(layers.flat()), width: 440 });
  const figure = element('div', { class: 'paper', tabindex: '0', role: 'group', 'aria-label': 'Score by layer and token' }, grid);
  return element('details', {}, `<summary>Layer by layer</summary>${figure}`);
}

/** A card: what the map means, the coloured text, its top words, how it did in its check, and what vouches for it. `key` is unique in the page. */
export function card(map: ReportMap, result: ReportResult, key: string): string {
  const { check } = map.certificate;
  const judged = check && verdict(check);
  const badge = judged
    ? element('p', { class: `badge ${judged.outcome}` }, `<span aria-hidden="true">${judged.sign}</span> ${judged.short}`)
    : '';
  const variant = map.variant === 'paper' ? '' : ` ${element('span', { class: 'variant' }, escapeText(map.variant))}`;
  const heading = element('h4', { id: `${key}-title` }, escapeText(map.title) + variant);
  const tested =
    check && judged
      ? `<h5>Put to the test</h5>${element('p', { class: 'verdict' }, escapeText(judged.sentence))}${checkChart(check)}`
      : `<h5>Put to the test</h5><p>This map was not checked by removing ${plural(mapSpans(map, result).unit === 'patch' ? 'patch' : 'word')}.</p>`;
  const body = [
    element('header', {}, heading + badge),
    element('p', { class: 'summary' }, escapeText(map.summary)),
    switchable(key, map.title, views(map, result)),
    wordLists(map, result),
    tested,
    certificateHtml(map, result.grid ? 'patch' : 'word'),
    layersHtml(map, result),
  ];
  return element('article', { class: 'card', id: key, 'aria-labelledby': `${key}-title` }, body.join('\n'));
}
