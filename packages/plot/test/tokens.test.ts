import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { tokenStrip, tokenStripHtml, type Token } from '../src/index.js';
import { pieces, tokenSpans } from '../src/spans.js';
import { byClass, byName, parse, textOf } from './markup-tree.js';

/** Tokens that cut `text` at `cuts`. */
function cutAt(text: string, cuts: readonly number[]): Token[] {
  const ends = [...cuts, text.length];
  return ends.map((end, index) => ({ text: text.slice(ends[index - 1] ?? 0, end), start: ends[index - 1] ?? 0, end }));
}

const hello = { text: 'Hi, you\n  two', tokens: cutAt('Hi, you\n  two', [2, 4, 7, 10]), scores: [1, 0, -0.5, 0.1, 0], signed: true };

describe('html', () => {
  test('colours by score: full colour at the limit, none at zero, a tooltip on each token', () => {
    const [strip] = byClass(parse(tokenStripHtml(hello)), 'token-strip');
    const spans = byName(strip!, 'span');
    expect(spans.map(({ attributes }) => attributes['class'])).toEqual(['p20', undefined, 'n10', 'p2', undefined]);
    expect(spans.map(({ attributes }) => attributes['title'])).toEqual([
      'score +1, 63\u00a0% of this map',
      'score 0, 0\u00a0% of this map',
      'score \u22120.5, 31\u00a0% of this map',
      'score +0.1, 6.3\u00a0% of this map',
      'score 0, 0\u00a0% of this map',
    ]);
  });

  test('keeps every space and line break; a coloured line break is shown', () => {
    const plain = { ...hello, scores: [1, 0, 0, 0, 0] };
    expect(textOf(parse(tokenStripHtml(plain)))).toBe(hello.text);
    expect(textOf(parse(tokenStripHtml(hello)))).toBe('Hi, you⏎\n  two');
  });

  test('the per-word variant leaves what is between words uncoloured', () => {
    const markup = tokenStripHtml({
      text: 'buy  it',
      words: [
        { start: 0, end: 3, score: 2 },
        { start: 5, end: 7, score: 1 },
      ],
      signed: false,
    });
    expect(markup).toContain('<span class="u20" title="score 2, 67\u00a0% of this map">buy</span>  <span class="u10"');
  });

  test('a limit of its own', () => {
    expect(tokenStripHtml({ ...hello, limit: 2 })).toContain('class="p10"');
  });

  test('markup in the text stays text', () => {
    const text = '<script>"&\u0000';
    const markup = tokenStripHtml({ text, tokens: cutAt(text, []), scores: [1], signed: true });
    expect(markup).toContain('&lt;script&gt;&quot;&amp;\u2400');
    expect(markup).not.toContain('<script');
  });
});

describe('pieces', () => {
  test('bytes of one character become one span with their sum', () => {
    const text = 'a👍é';
    const tokens = [
      { text: 'a', start: 0, end: 1 },
      ...['<0xf0>', '<0x9f>', '<0x91>', '<0x8d>'].map((name) => ({ text: name, start: 1, end: 3 })),
      { text: '\ufffd', start: 3, end: 4 },
      { text: '\ufffd', start: 4, end: 4 },
    ];
    const spans = tokenSpans(text, tokens, [1, 0.1, 0.2, 0.3, 0.4, 5, 6]);
    expect(spans.map(({ start, end }) => [start, end])).toEqual([
      [0, 1],
      [1, 3],
      [3, 4],
    ]);
    expect(spans.map(({ score }) => Number(score.toFixed(9)))).toEqual([1, 1, 11]);
  });

  test('a span never cuts a surrogate pair', () => {
    const spans = tokenSpans(
      '👍',
      [
        { text: '\ufffd', start: 0, end: 1 },
        { text: '\ufffd', start: 1, end: 2 },
      ],
      [1, 2],
    );
    expect(spans).toEqual([{ start: 0, end: 2, score: 3 }]);
  });

  test('a token without text of its own is a named marker', () => {
    const tokens = [
      { text: '<s>', start: 0, end: 0 },
      { text: 'ab', start: 0, end: 2 },
    ];
    expect(pieces('ab', tokenSpans('ab', tokens, [3, 1]))).toEqual([
      { text: '<s>', score: 3, marker: true },
      { text: 'ab', score: 1, marker: false },
    ]);
    expect(tokenStripHtml({ text: 'ab', tokens, scores: [3, 1], signed: true })).toContain('class="marker p20"');
  });

  test('line endings of every kind are one line feed, also when tokens cut between the two', () => {
    const text = 'a\r\nb\rc';
    const shown = pieces(text, tokenSpans(text, cutAt(text, [1, 2, 3, 4, 5]), [1, 1, 1, 1, 1, 1])).map((piece) => piece.text);
    expect(shown.join('')).toBe('a\nb\nc');
  });

  test('any cutting of any text shows the whole text, and no score is lost', () => {
    const input = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 40 })
      .chain((text) =>
        fc.record({ text: fc.constant(text), cuts: fc.uniqueArray(fc.integer({ min: 0, max: text.length }), { maxLength: 8 }) }),
      );
    fc.assert(
      fc.property(input, ({ text, cuts }) => {
        const tokens = cutAt(
          text,
          cuts.toSorted((a, b) => a - b),
        ).map((token) => ({ ...token, text: '' }));
        const scores = tokens.map((_, index) => index + 1);
        const spans = tokenSpans(text, tokens, scores);
        expect(spans.reduce((sum, { score }) => sum + score, 0)).toBe(scores.reduce((sum, score) => sum + score, 0));
        expect(
          pieces(text, spans)
            .map((piece) => piece.text)
            .join(''),
        ).toBe(text.replace(/\r\n?/g, '\n'));
      }),
    );
  });
});

describe('svg', () => {
  test('is well-formed, labelled, with a rectangle for each coloured run and every visible character', () => {
    const [svg] = byName(parse(tokenStrip(hello)), 'svg');
    expect(svg!.attributes['role']).toBe('img');
    expect(svg!.attributes['aria-label']).toBe('Text coloured by score');
    const fills = byName(svg!, 'rect').map(({ attributes }) => attributes['fill']);
    expect(fills).toHaveLength(1 + 3 + 1); // paper, three coloured tokens, one of which goes over a line break
    expect(textOf(svg!).replace(/\s/g, '')).toBe('Hi,you⏎two');
  });

  test('wraps at the last space before the limit, and inside a word that is longer than a line', () => {
    const text = `one two three ${'x'.repeat(20)}`;
    const [svg] = byName(parse(tokenStrip({ text, words: [], signed: true }, { columns: 10, fontSize: 10 })), 'svg');
    expect(byName(svg!, 'text').map(textOf)).toEqual(['one two ', 'three ', 'xxxxxxxxxx', 'xxxxxxxxxx']);
    expect(byName(svg!, 'text').map(({ attributes }) => attributes['y'])).toEqual(['11', '26.5', '42', '57.5']);
  });

  test('wide characters take two columns', () => {
    const text = '漢字ab';
    const [svg] = byName(parse(tokenStrip({ text, tokens: cutAt(text, [2]), scores: [1, 1], signed: true }, { fontSize: 10 })), 'svg');
    expect(byName(svg!, 'text').map(({ attributes }) => [attributes['x'], attributes['textLength']])).toEqual([
      ['0', '24'],
      ['24', '12'],
    ]);
  });

  test('negative runs are underlined, so the sign does not hang on colour', () => {
    const texts = byName(parse(tokenStrip(hello)), 'text');
    expect(texts.filter(({ attributes }) => attributes['text-decoration'] === 'underline').map(textOf)).toEqual(['you']);
  });
});

describe.each([tokenStripHtml, tokenStrip])('bad input to %o', (draw) => {
  const tokens = hello.tokens;
  test.each([
    ['NaN, by index', { ...hello, scores: [0, 0, NaN, 0, 0] }, 'tokenStrip: scores[2] is NaN'],
    ['infinity', { ...hello, scores: [0, 0, 0, -Infinity, 0] }, 'tokenStrip: scores[3] is -Infinity'],
    ['a negative score in an unsigned map', { ...hello, signed: false }, 'tokenStrip: scores[2] is -0.5, but the map is declared unsigned'],
    ['too few scores', { ...hello, scores: [1] }, '1 scores for 5 tokens'],
    [
      'a token past the end',
      { ...hello, tokens: [...tokens.slice(0, 4), { text: 'x', start: 10, end: 99 }] },
      'tokens[4] is [10, 99); it needs 0 ≤ start ≤ end ≤ 13',
    ],
    [
      'tokens out of order',
      { ...hello, tokens: [tokens[1]!, tokens[0]!, ...tokens.slice(2)] },
      'tokens[1] starts at 0, before the one ahead of it',
    ],
    [
      'overlapping words',
      {
        text: 'abc',
        words: [
          { start: 0, end: 2, score: 1 },
          { start: 1, end: 3, score: 1 },
        ],
        signed: true,
      },
      'words[1] starts at 1, inside',
    ],
    ['a limit of zero', { ...hello, limit: 0 }, 'limit is 0'],
  ])('%s', (_, strip, message) => {
    expect(() => draw(strip)).toThrow(message);
  });
});

test('refuses a layout that cannot hold text', () => {
  expect(() => tokenStrip(hello, { columns: 2 })).toThrow('columns is 2');
  expect(() => tokenStrip(hello, { fontSize: NaN })).toThrow('fontSize is NaN');
});
