import { max } from 'd3-array';
import { robustLimit } from '../check.js';
import { layerGrid } from '../grid.js';
import { legendHtml } from '../legend.js';
import { element, escapeText } from '../markup.js';
import { named } from '../names.js';
import { percent, scoreText } from '../numbers.js';
import { tokenStripHtml } from '../tokens.js';
import { certificateHtml } from './certificate.js';
import { checkChart } from './check-chart.js';
import { groupsHtml } from './groups.js';
import { isImage, patchCrop, patchLayers, patchViews } from './images.js';
import { mapSpans, readable, topWords, type RankedWord } from './reading.js';
import type { ReportMap, ReportResult } from './types.js';
import { plural } from './unit.js';
import { verdict } from './verdict.js';

const LISTED = 8;
const LISTED_AGAINST = 4;
/** Patches are listed with a piece of the picture each. */
const LISTED_PATCHES = 5;

/** One way to look at a map: by word, by token, by sentence. */
interface View {
  readonly name: string;
  readonly html: string;
}

function legendOf(scores: readonly number[], limit: number, signed: boolean): string {
  return legendHtml({ signed, limit, clipped: (max(scores, Math.abs) ?? 0) > limit });
}

function views(map: ReportMap, result: ReportResult): View[] {
  if (isImage(result)) return patchViews(map, result);
  const { signed } = map;
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
/** `title` says what is seen, for a screen reader. */
function switchable(key: string, title: string, choices: readonly View[]): string {
  if (choices.length === 1) return element('div', { class: 'view shown' }, choices[0]!.html);
  const radios = choices.map(({ name }, index) => {
    const id = `${key}-view-${index}`;
    const attributes = { type: 'radio', name: `${key}-view`, id, class: `choice choice-${index}`, checked: index === 0 ? '' : undefined };
    return `${element('input', attributes)}${element('label', { for: id }, name)}`;
  });
  const panes = choices.map(({ html }, index) => element('div', { class: `view view-${index}` }, html));
  const attributes = { class: 'views', role: 'group', 'aria-label': title };
  return element('div', attributes, radios.join('') + panes.join(''));
}

function wordList(
  caption: string,
  words: readonly RankedWord[],
  sign: 'positive' | 'negative' | 'unsigned',
  sample: (word: RankedWord) => string,
): string {
  const largest = max(words, ({ share }) => share) || 1;
  const rows = words.map((word) => {
    const { text, score, share } = word;
    const bar = element('span', { class: `bar ${sign}`, style: `width:${((100 * share) / largest).toFixed(1)}%` }, '');
    const title = `score ${scoreText(score, sign !== 'unsigned')}`;
    const prefix = sign === 'unsigned' ? '' : score > 0 ? '+' : '\u2212';
    const cells = [
      element('th', { scope: 'row', dir: 'auto' }, sample(word) + escapeText(named(text))),
      element('td', { class: 'figure', title }, `${prefix}${percent(share)}`),
      element('td', { class: 'bars' }, element('span', { class: 'track', 'aria-hidden': 'true' }, bar)),
    ];
    return element('tr', {}, cells.join(''));
  });
  return element('table', { class: 'words' }, element('caption', {}, caption) + element('tbody', {}, rows.join('')));
}

function wordLists(map: ReportMap, result: ReportResult): string {
  const { unit } = mapSpans(map, result);
  const { highest, lowest } = topWords(map, result, isImage(result) ? LISTED_PATCHES : LISTED);
  const sample = ({ place }: RankedWord): string => (isImage(result) ? patchCrop(place, result) : '');
  const lists: string[] = [];
  if (highest.length > 0)
    lists.push(wordList(`Highest ${plural(unit)} <small>share of this map</small>`, highest, map.signed ? 'positive' : 'unsigned', sample));
  if (lowest.length > 0)
    lists.push(wordList(`Lowest ${plural(unit)} <small>below zero</small>`, lowest.slice(0, LISTED_AGAINST), 'negative', sample));
  return element('div', { class: 'word-lists' }, lists.join('') || '<p>Every score of this map is zero.</p>');
}

function layersHtml(map: ReportMap, result: ReportResult): string {
  if (!map.layers || map.layers.length === 0) return '';
  if (isImage(result)) return element('details', {}, `<summary>Layer by layer</summary>${patchLayers(map, result)}`);
  const layers = map.layers;
  const signed = map.signed || layers.some((scores) => scores.some((score) => score < 0));
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
      : `<h5>Put to the test</h5><p>This map was not checked by removing ${plural(isImage(result) ? 'patch' : 'word')}.</p>`;
  const image = isImage(result);
  const seen = `${map.title}: ${image ? 'the map over the picture' : 'coloured text'}`;
  const looks = `${switchable(key, seen, views(map, result))}\n${wordLists(map, result)}`;
  const body = [
    element('header', {}, heading + badge),
    element('p', { class: 'summary' }, escapeText(map.summary)),
    image ? element('div', { class: 'looks' }, looks) : looks,
    tested,
    certificateHtml(map, image ? 'patch' : 'word'),
    layersHtml(map, result),
    groupsHtml(map, result),
  ];
  return element('article', { class: 'card', id: key, 'aria-labelledby': `${key}-title` }, body.join('\n'));
}
