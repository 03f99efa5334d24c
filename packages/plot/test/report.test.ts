import { describe, expect, test } from 'vitest';
import { explanationReport, explanationSvg, verdict, type Report } from '../src/index.js';
import { errorPercent, parameterText, percent, scoreText } from '../src/numbers.js';
import { named, shorten } from '../src/names.js';
import { answerSentence, topWords } from '../src/report/reading.js';
import { leadSentence } from '../src/report/lead.js';
import { MAIL, mailReport, mailResult, makeCheck, proseReport } from './fixture.js';
import { byClass, byName, parse, textOf } from './markup-tree.js';

const SPACE = '\u00a0';
const report = mailReport();
const page = explanationReport(report);
const tree = parse(page);
const wordsOf = (text: string): string => text.replaceAll(SPACE, ' ');

describe('the page', () => {
  test('shows the text, the answer, its probability, and every map with its meaning, check and certificate', () => {
    expect(textOf(byClass(tree, 'source')[0]!)).toBe(MAIL);
    expect(textOf(byClass(tree, 'answer')[0]!)).toBe('spam');
    expect(wordsOf(textOf(byClass(tree, 'probability')[0]!))).toBe('99.2 %');
    const cards = byClass(tree, 'card');
    expect(cards).toHaveLength(report.results[0]!.maps.length);
    cards.forEach((card, index) => {
      const map = report.results[0]!.maps[index]!;
      const text = wordsOf(textOf(card));
      expect(text).toContain(map.title);
      expect(text).toContain(map.summary);
      expect(text).toContain(wordsOf(verdict(map.certificate.check!).sentence));
      expect(text).toContain('in all 4 layers they agree within 0.00002 %');
      expect(byClass(card, 'check-chart')[0]!.children).toHaveLength(2);
      expect(byName(card, 'input').map(({ attributes }) => attributes['type'])).toEqual(['radio', 'radio', 'radio']);
      expect(byClass(card, 'token-strip').map((strip) => textOf(strip).replace(/⏎/g, ''))).toEqual([MAIL, MAIL, MAIL]);
    });
    expect(wordsOf(textOf(cards[0]!))).toContain('Scores plus biases add up to the logit within 0.0003 %');
  });

  test('is self-contained: no script, no address but its own anchors, and a policy that forbids loading', () => {
    expect(byName(tree, 'script')).toHaveLength(0);
    expect(byName(tree, 'link')).toHaveLength(0);
    expect(page).not.toMatch(/(?:src|href)="(?!#|data:)/);
    expect(page).not.toMatch(/url\(|@import/);
    expect(page).toContain("default-src 'none'");
    for (const { attributes } of byName(tree, 'a')) expect(page).toContain(`id="${attributes['href']!.slice(1)}"`);
  });

  test('ids are unique and every label names a control', () => {
    const ids = Array.from(page.matchAll(/ id="([^"]*)"/g), ([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { attributes } of byName(tree, 'label')) expect(ids).toContain(attributes['for']);
  });

  test('has a layer grid where the map has layers, and a glossary', () => {
    expect(byName(tree, 'svg')).toHaveLength(1);
    expect(byClass(tree, 'glossary')).toHaveLength(1);
    expect(byName(byClass(tree, 'glossary')[0]!, 'dt').map(textOf)).toEqual(
      expect.arrayContaining(['Mamba', 'Token', 'Logit and probability']),
    );
  });

  test('drills down by layer and group of channels where the map has them', () => {
    const result = mailResult();
    const map = result.maps[0]!;
    const part = (share: number): number[] => map.scores.map((score) => share * score);
    map.options = { groups: 2 };
    map.groups = { site: 'u', layers: [[part(0.5), part(0.25)], [part(0.125)]] };
    const [drill] = byClass(parse(explanationReport(mailReport([result]))), 'groups');
    expect(byName(drill!, 'summary').map(textOf)).toEqual([
      'By layer and group of channels',
      'Layer 0, group by group',
      'Layer 1, group by group',
    ]);
    const [sums, first] = byName(drill!, 'svg');
    const total = map.scores.reduce((sum, score) => sum + score, 0);
    expect(byName(sums!, 'title').map(textOf)).toContain(`layer 0, group 1: ${scoreText(total / 4, true)}`);
    expect(textOf(first!)).toContain('group 1');
    const { length } = map.groups.layers[0]![1]!;
    map.groups.layers[0]![1]!.pop();
    expect(() => explanationReport(mailReport([result]))).toThrow(
      `results[0].maps[0].groups.layers[0][1] has ${length - 1} numbers for ${length} tokens`,
    );
  });

  test('several results: a section each and a table of contents', () => {
    const two = parse(explanationReport(mailReport([mailResult(), mailResult(1, 'Lunch <b>on</b> Friday? 漢字 👍')])));
    expect(byName(two, 'nav')).toHaveLength(1);
    expect(byName(byName(two, 'nav')[0]!, 'a').map(({ attributes }) => attributes['href'])).toEqual(['#result-0', '#result-1']);
    expect(byClass(two, 'source').map(textOf)[1]).toBe('Lunch <b>on</b> Friday? 漢字 👍');
  });

  test('a language model: what comes after the position asked about is marked unread', () => {
    const prose = parse(explanationReport(proseReport()));
    expect(textOf(byClass(prose, 'unread')[0]!)).toBe(' times, it was the age of wisdom');
    expect(textOf(byClass(prose, 'answer')[0]!)).toBe('a space');
    expect(textOf(prose)).toContain('Why did the model expect this?');
  });

  test('ids without text, a map without words, check or weight', () => {
    const result = mailResult(0, 'ab');
    const map = result.maps[0]!;
    const { words: _words, sentences: _sentences, ...rest } = map;
    const bare: Report = mailReport([
      {
        ...result,
        text: null,
        target: { ...result.target, label: null },
        maps: [{ ...rest, scores: [0, 0], certificate: { audit: map.certificate.audit } }],
      },
    ]);
    const text = textOf(parse(explanationReport(bare)));
    expect(text).toContain('a b');
    expect(text).toContain('class 1');
    expect(text).toContain('not checked by removing words');
    expect(text).toContain('Every score of this map is zero.');
    expect(() => parse(explanationSvg(bare))).not.toThrow();
  });

  test('text that looks like markup stays text everywhere', () => {
    const evil = mailResult(0, '<img src=x onerror=alert(1)> "quoted" & more');
    evil.target.label = '<b>spam</b>';
    evil.maps[0]!.title = '</style><script>';
    const markup = explanationReport(mailReport([evil]));
    expect(markup).not.toMatch(/<img|<b>|<script/);
    expect(() => parse(markup)).not.toThrow();
    expect(explanationSvg(mailReport([evil]))).not.toMatch(/<img|<b>|<script/);
  });
});

describe('the svg', () => {
  test('has a section per row with its answer, maps, legends and checks', () => {
    const svg = parse(explanationSvg(mailReport([mailResult(), mailResult(1)])));
    const text = wordsOf(textOf(svg)).replace(/\s+/g, ' ');
    expect(text).toContain('Text 2 of 2.');
    expect(text.match(/The model answers “spam” and is almost certain/g)).toHaveLength(2);
    expect(text.match(/Exact decomposition/g)).toHaveLength(2);
    expect(text.match(/top 8 words removed/g)).toHaveLength(12);
    expect(byName(svg, 'circle')).toHaveLength(2 * 6 * 5);
  });
});

describe('the verdict', () => {
  const outcome = (top: number, random: number[], original = 0.99): string => verdict(makeCheck(original, top, 0.99, random)).outcome;

  test('is computed from the numbers', () => {
    expect(outcome(0.41, [0.97, 0.98])).toBe('found');
    expect(outcome(0.97, [0.985, 0.988])).toBe('slight');
    expect(outcome(0.95, [0.92, 0.99, 0.99])).toBe('chance');
    expect(outcome(0.97, [0.97, 0.97])).toBe('missed');
    expect(outcome(0.99, [0.9, 0.95])).toBe('missed');
    expect(outcome(0.5, [])).toBe('untested');
  });

  test('of a saturated model looks at the logit', () => {
    const check = makeCheck(0.5, 0.5, 0.5, [0.5]);
    check.probability = { original: 1, top: 1, lowest: 1, random: [1, 1] };
    check.logit = { original: 40, top: 22, lowest: 40, random: [38, 39] };
    expect(verdict(check).outcome).toBe('slight');
  });

  test('says so in words', () => {
    expect(wordsOf(verdict(makeCheck(0.99, 0.41, 1, [0.97])).sentence)).toBe(
      'Removing the 8 words this map ranks highest moves the answer from 99 % to 41 %; random words: 97 %. This map found words that the answer hangs on.',
    );
    expect(verdict(makeCheck(0.99, 0.98, 1, [0.9])).sentence).toContain('This map did not find what the answer hangs on.');
    expect(verdict({ ...makeCheck(0.99, 0.41, 1, [0.97]), unit: 'token' }).sentence).toContain('This map found tokens that');
  });
});

describe('reading', () => {
  const result = mailResult();

  test('the lead names the top words of the map that did best in its check', () => {
    expect(leadSentence(result)).toBe(
      'Above all “FREE”, “Click”, “prize”, “winner”, “claim”: so says the map that did best when put to the test (Exact decomposition).',
    );
    expect(leadSentence({ ...result, maps: [result.maps[3]!] })).toContain('None of the maps below passed its test');
  });

  test('top words are ranked by score, the lowest ones below zero most negative first', () => {
    const { highest, lowest } = topWords(result.maps[0]!, result, 3);
    expect(highest.map(({ text }) => text)).toEqual(['FREE', 'Click', 'prize']);
    expect(lowest.map(({ text }) => text)).toEqual(['regards', 'Kind', 'reply']);
    const everything = topWords(result.maps[0]!, result, Infinity);
    const shares = [...everything.highest, ...everything.lowest].reduce((sum, { share }) => sum + share, 0);
    expect(shares).toBeCloseTo(1, 12);
  });

  test('an answer that is not the first choice is said to be so', () => {
    const second = {
      ...result,
      target: { ...result.target, label: 'ham', probability: 0.008 },
      alternatives: [{ id: 1, label: 'spam', probability: 0.992 }],
    };
    expect(wordsOf(answerSentence(second, 'classification'))).toContain('Its own first choice is “spam” (99.2 %).');
  });

  test('of a model that rounds activations, what it answers when it does stands beside', () => {
    const rounding = { ...result, target: { ...result.target, asRun: { score: 3.1, probability: 0.412 } } };
    const sentence = wordsOf(answerSentence(rounding, 'classification'));
    expect(sentence.startsWith(wordsOf(answerSentence(result, 'classification')))).toBe(true);
    expect(sentence).toContain('as the model runs it rounds them to 8 bits, and the probability is 41 %.');
  });

  test('numbers for people', () => {
    const shares = [0, 0.00002, 0.0031, 0.052, 0.41, 0.9676, 0.99, 0.9999, 1].map((share) => wordsOf(percent(share)));
    expect(shares).toEqual(['0 %', 'under 0.01 %', '0.31 %', '5.2 %', '41 %', '96.8 %', '99 %', 'over 99.9 %', '100 %']);
    expect([1e-4, 2.1e-7, 0.021, 0].map((share) => wordsOf(errorPercent(share)))).toEqual(['0.01 %', '0.00002 %', '2 %', '0 %']);
    expect([912, 84_100, 1_234_567, 2.77e9].map(parameterText)).toEqual(['912', '84.1 thousand', '1.23 million', '2.77 billion']);
    expect([0, 0.31234, -0.5, 0.00012].map((score) => scoreText(score, true))).toEqual(['0', '+0.312', '\u22120.5', '+1.2e-4']);
    expect([named(' '), named(' the'), named('a\nb'), named('x'.repeat(40)).length]).toEqual(['a space', '␣the', 'a⏎b', 28]);
    expect(shorten('ab👩‍👩‍👧cd', 4)).toBe('ab👩‍👩‍👧…');
  });
});

describe('bad input', () => {
  const change = (edit: (report: Report) => void): Report => {
    const copy = structuredClone(report);
    edit(copy);
    return copy;
  };

  test.each<[string, (report: Report) => void, string]>([
    ['no results', (copy) => (copy.results = []), 'report.results is empty'],
    ['NaN', (copy) => (copy.results[0]!.maps[2]!.scores[17] = NaN), 'results[0].maps[2].scores[17] is NaN'],
    ['too few scores', (copy) => copy.results[0]!.maps[1]!.scores.pop(), 'results[0].maps[1].scores has'],
    ['ragged layers', (copy) => copy.results[0]!.maps[2]!.layers![3]!.pop(), 'results[0].maps[2].layers[3] has'],
    ['a word past the end', (copy) => (copy.results[0]!.maps[0]!.words!.at(-1)!.end = 9999), 'results[0].maps[0].words['],
    ['a probability of 99', (copy) => (copy.results[0]!.target.probability = 99), 'results[0].target.probability is 99'],
    ['a position past the end', (copy) => (copy.results[0]!.position = 5000), 'results[0].position is 5000'],
    [
      'a check that holds NaN',
      (copy) => (copy.results[0]!.maps[0]!.certificate.check!.probability.random[1] = NaN),
      'results[0].maps[0].certificate.check.probability.random[1] is NaN',
    ],
    [
      'a negative score in an unsigned map',
      (copy) => (copy.results[0]!.maps[4]!.scores[0] = -1),
      'results[0].maps[4].scores[0] is -1, but the map is declared unsigned',
    ],
  ])('%s is refused by name', (_, edit, message) => {
    expect(() => explanationReport(change(edit))).toThrow(message);
    expect(() => explanationSvg(change(edit))).toThrow(message);
  });
});
