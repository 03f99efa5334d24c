import { describe, expect, test } from 'vitest';
import { explanationReport, explanationSvg, verdict, type Report } from '../src/index.js';
import { leadSentence } from '../src/report/lead.js';
import { imageMap, imageReport, imageResult, PICTURE } from './image-fixture.js';
import { byClass, byName, parse, textOf } from './markup-tree.js';

const report = imageReport();
const page = explanationReport(report);
const tree = parse(page);
const wordsOf = (text: string): string => text.replaceAll('\u00a0', ' ');

describe('the page of an image', () => {
  test('holds the picture once; every drawing refers to it', () => {
    expect(page.split(PICTURE)).toHaveLength(2);
    const ids = Array.from(page.matchAll(/ id="([^"]*)"/g), ([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const [, id] of page.matchAll(/ href="#([^"]*)"/g)) expect(ids).toContain(id);
    expect(page).not.toMatch(/(?:src|href)="(?!#|data:)/);
    expect(page).not.toMatch(/url\(|@import|<script/);
  });

  test('shows the answer, and each map by exact patches and smoothed, with its legend, top patches, check and layers', () => {
    expect(textOf(byClass(tree, 'answer')[0]!)).toBe('ankle <boot>');
    const cards = byClass(tree, 'card');
    expect(cards).toHaveLength(2);
    cards.forEach((card, index) => {
      const map = report.results[0]!.maps[index]!;
      expect(wordsOf(textOf(card))).toContain(wordsOf(verdict(map.certificate.check!).sentence));
      expect(byName(card, 'label').map(textOf)).toEqual(['Patches', 'Smoothed']);
      expect(byClass(card, 'view')).toHaveLength(2);
      expect(byClass(card, 'on-picture')).toHaveLength(2);
    });
    expect(page).toContain('<title>row 2, column 3: +4</title>');
    const [list] = byClass(cards[0]!, 'words');
    expect(textOf(list!)).toMatch(/^Highest patches.*row 2, column 3/);
    expect(byClass(list!, 'crop')).toHaveLength(3);
    expect(byName(byClass(cards[0]!, 'layers')[0]!, 'li').map(textOf)).toEqual([
      'layer 0 up to ±4',
      'layer 1 up to ±4',
      'layer 2 0 everywhere',
    ]);
    expect(byClass(cards[1]!, 'layers')).toHaveLength(0);
  });

  test('shows pixels as a view of their own where a map has them', () => {
    const pixels = { shape: [4, 6] as const, scores: Array.from({ length: 24 }, (_, at) => at - 9) };
    const withPixels = imageReport([{ ...imageResult(), maps: [imageMap({ pixels })] }]);
    const [card] = byClass(parse(explanationReport(withPixels)), 'card');
    expect(byName(card!, 'label').map(textOf)).toEqual(['Patches', 'Smoothed', 'Pixels']);
    expect(byClass(card!, 'view')).toHaveLength(3);
    expect(byClass(card!, 'view').map((view) => byName(view, 'svg')[0]!.attributes['aria-label'])).toContainEqual(
      'Raw hidden attention over the picture, pixel by pixel',
    );
    const broken = imageReport([{ ...imageResult(), maps: [imageMap({ pixels: { shape: [4, 6], scores: [1, 2] } })] }]);
    expect(() => explanationReport(broken)).toThrow('results[0].maps[0].pixels has 2 numbers for 4 × 6 pixels; it needs one per pixel');
  });

  test('speaks of patches and pictures, never of words, tokens or texts', () => {
    const said = wordsOf(textOf(byName(tree, 'body')[0]!)).replace('Words used here', '');
    expect(said).not.toMatch(/\b(words?|texts?|patchs|tokens)\b/i);
    expect(said.match(/\btoken\b/g)).toHaveLength(said.match(/class token/g)!.length);
    expect(said).toContain('the 2 patches it ranks highest were made black');
    expect(said).toContain('a positive patch speaks for the answer');
    expect(said).toContain('a patch with more colour weighs more');
    expect(said).toContain('sorts pictures into classes');
    for (const { attributes } of byName(tree, 'svg')) expect(attributes['aria-label'] ?? '').not.toMatch(/\b(word|text|token)/i);
  });

  test('every picture that says something has an alternative in words; every label names a control', () => {
    for (const { attributes } of byName(tree, 'svg'))
      expect(attributes['aria-hidden'] === 'true' || (attributes['role'] === 'img' && attributes['aria-label'] !== '')).toBe(true);
    const ids = Array.from(page.matchAll(/ id="([^"]*)"/g), ([, id]) => id);
    for (const { attributes } of byName(tree, 'label')) expect(ids).toContain(attributes['for']);
    const [first] = byClass(byClass(tree, 'card')[0]!, 'overlay');
    expect(byName(first!, 'svg')[0]!.attributes['aria-label']).toContain('Highest: row 2, column 3 (+4)');
  });

  test('several images: a section each, a table of contents with the pictures; the same picture is held once', () => {
    const markup = explanationReport(imageReport([imageResult(), imageResult(1)]));
    expect(markup.split(PICTURE)).toHaveLength(2);
    const two = parse(markup);
    expect(byName(byName(two, 'nav')[0]!, 'a').map((link) => textOf(link).trim())).toEqual(['Picture 1', 'Picture 2']);
    expect(byClass(two, 'thumbnail')).toHaveLength(2);
  });

  test('the lead names places', () => {
    expect(leadSentence(imageResult())).toBe(
      'Above all the patches at row 2, column 3; row 1, column 2; row 2, column 1: so says the map that did best when put to the test (Exact decomposition).',
    );
  });

  test('a map of zeros, without check and layers', () => {
    const { audit } = imageMap().certificate;
    const { layers: _layers, ...map } = imageMap({ scores: [0, 0, 0, 0, 0, 0], certificate: { audit } });
    const text = textOf(parse(explanationReport(imageReport([{ ...imageResult(), maps: [map] }]))));
    expect(text).toContain('Every score of this map is zero.');
    expect(text).toContain('not checked by removing patches');
    expect(() => parse(explanationSvg(imageReport([{ ...imageResult(), maps: [map] }])))).not.toThrow();
    expect(() => parse(explanationSvg(imageReport([{ ...imageResult(), maps: [] }])))).not.toThrow();
  });
});

test('as one picture: a row with the input, its answer and all maps with their checks', () => {
  const svg = parse(explanationSvg(imageReport([imageResult(), imageResult(1)])));
  expect(byName(svg, 'image')).toHaveLength(1);
  expect(byName(svg, 'use')).toHaveLength(2 * 3);
  const texts = byName(svg, 'text').map(textOf).map(wordsOf);
  for (const [text, times] of [
    ['ankle <boot>', 2],
    ['Exact decomposition', 2],
    ['✓ found what matters', 4],
    ['top 2 patches removed: 10 %', 4],
    ['2 random patches removed: 75 %', 4],
    ['each map by its own scale', 1],
  ] as const)
    expect(texts.filter((each) => each === text)).toHaveLength(times);
});

describe('several models on the same pictures', () => {
  const vit = imageReport([imageResult(), imageResult(1)]);
  const models: Report[] = [imageReport([imageResult(), imageResult(1)]), { ...vit, model: { ...vit.model, name: 'zoo:fashion-vit' } }];
  models[1]!.results[1]!.maps[1]!.title = 'Transformer-Attribution';

  test('their maps stand side by side, then each has its sections; the picture is held once', () => {
    const markup = explanationReport(models[0]!, models.slice(1));
    expect(markup.split(PICTURE)).toHaveLength(2);
    const tree = parse(markup);
    const ids = Array.from(markup.matchAll(/ id="([^"]*)"/g), ([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
    const tables = byClass(tree, 'beside');
    expect(tables.map((table) => byClass(table, 'overlay').length)).toEqual([4, 4]);
    const heads = byName(tables[0]!, 'th').map((cell) => wordsOf(textOf(cell)));
    expect(heads).toEqual([
      'Map',
      'zoo:fashion-vim ankle <boot>, 90 %',
      'zoo:fashion-vit ankle <boot>, 90 %',
      'Exact decomposition',
      'Mamba-Attribution (released)',
    ]);
    expect(textOf(tables[1]!).match(/not for this model/g)).toHaveLength(2);
    expect(byClass(tree, 'card')).toHaveLength(8);
    expect(byName(tree, 'h2').map(textOf)).toEqual(
      expect.arrayContaining(['Picture 1', 'zoo:fashion-vim', 'zoo:fashion-vit', 'Picture 2']),
    );
  });

  test('as one picture, a row for each picture and model', () => {
    const svg = parse(explanationSvg(models[0]!, models.slice(1)));
    expect(byName(svg, 'image')).toHaveLength(1);
    expect(byName(svg, 'use')).toHaveLength(4 * 3);
    const said = byName(svg, 'text').map(textOf).join(' ');
    expect(said).toContain('Picture 1 of 2. zoo:fashion-vit: The model answers');
  });

  test('of other inputs, they are refused', () => {
    expect(() => explanationReport(models[0]!, [imageReport()])).toThrow(
      'the report of zoo:fashion-vim has 1 results, that of zoo:fashion-vim 2; side by side they need as many',
    );
  });
});

describe('bad input', () => {
  const change = (edit: (report: Report) => void): Report => {
    const copy = structuredClone(report);
    edit(copy);
    return copy;
  };

  test.each<[string, (report: Report) => void, string]>([
    [
      'too few scores',
      (copy) => copy.results[0]!.maps[0]!.scores.pop(),
      'results[0].maps[0].scores has 5 numbers for 6 patches; it needs one per patch',
    ],
    ['ragged layers', (copy) => copy.results[0]!.maps[0]!.layers![1]!.pop(), 'results[0].maps[0].layers[1] has 5 numbers for 6 patches'],
    ['NaN', (copy) => (copy.results[0]!.maps[1]!.scores[4] = NaN), 'results[0].maps[1].scores[4] is NaN'],
    ['no picture', (copy) => delete copy.results[0]!.picture, 'results[0].picture is "missing"'],
    ['an address', (copy) => (copy.results[0]!.picture = 'https://example.org/a.png'), 'results[0].picture is "https://example.org/a.png"'],
    ['a grid of nothing', (copy) => (copy.results[0]!.grid = [0, 3]), 'results[0].grid is 0 × 3'],
  ])('%s is refused by name', (_, edit, message) => {
    expect(() => explanationReport(change(edit))).toThrow(message);
    expect(() => explanationSvg(change(edit))).toThrow(message);
  });
});
