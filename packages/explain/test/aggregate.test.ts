import { byteTokenizer } from '@hidden-attention/checkpoint';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { groupTokens, sumByGroup, type Token } from '../src/index.js';

const tokenizer = byteTokenizer(256, []);
const tokens = (text: string): Token[] => {
  const { ids, offsets } = tokenizer.encode(text);
  return ids.map((id, at) => ({ id, text: tokenizer.tokenText(id), start: offsets[at]![0], end: offsets[at]![1] }));
};
const words = (text: string): string[] => groupTokens(text, tokens(text), 'word', 'en').map(({ start, end }) => text.slice(start, end));

test('words are cut by Unicode rules, and take the spaces and punctuation after them', () => {
  const text = '  Hello, naïve world! 5 €';
  expect(words(text)).toEqual(['Hello', 'naïve', 'world', '5']);
  const groups = groupTokens(text, tokens(text), 'word', 'en');
  expect(
    sumByGroup(
      groups,
      tokens(text).map(() => 1),
    ).map(({ score }) => score),
  ).toEqual([9, 7, 7, 5]);
});

test('pieces with a leading space belong to the word they spell', () => {
  const pieces = [
    ['The', 0, 3],
    [' cat', 3, 7],
    ['s', 7, 8],
    ['', 8, 8],
  ].map(([text, start, end], id) => ({ id, text, start, end }) as Token);
  expect(groupTokens('The cats', pieces, 'word', 'en').map((group) => group.tokens)).toEqual([[0], [1, 2, 3]]);
});

test('symbols between spaces are words of their own, brackets and all', () => {
  const text = '[MAX 2 [MIN 7 4 ] 1 ]';
  const symbols = [...text.matchAll(/\S+/g)].map(({ 0: name, index }, id) => ({ id, text: name, start: index, end: index + name.length }));
  expect(groupTokens(text, symbols, 'word', 'en').map(({ start, end }) => text.slice(start, end))).toEqual(text.split(' '));
  // in a language that is cut at spaces too, punctuation counts to the word before it
  const words = [...'Yes , he said'.matchAll(/\s?\S+/g)].map(({ 0: name, index }, id) => ({
    id,
    text: name,
    start: index,
    end: index + name.length,
  }));
  expect(groupTokens('Yes , he said', words, 'word', 'en').map((group) => group.tokens)).toEqual([[0, 1], [2], [3]]);
});

test('offsets count UTF-16 units, also past characters of two', () => {
  const text = '😀 fine 🎉 day.';
  const groups = groupTokens(text, tokens(text), 'word', 'en');
  expect(groups.map(({ start, end }) => text.slice(start, end))).toEqual(['fine', 'day']);
});

test('sentences, and texts without a word', () => {
  const text = 'One. Two is here! Three?';
  expect(groupTokens(text, tokens(text), 'sentence', 'en').map(({ start, end }) => text.slice(start, end))).toEqual([
    'One.',
    'Two is here!',
    'Three?',
  ]);
  expect(words('!?')).toHaveLength(2);
  expect(groupTokens('  ', tokens('  '), 'word')).toEqual([{ start: 0, end: 2, tokens: [0, 1] }]);
  expect(groupTokens('', [], 'word')).toEqual([]);
});

test('every token belongs to one group, whatever the text, and sums are kept', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 40 }), fc.constantFrom('word', 'sentence'), (text, by) => {
      const all = tokens(text);
      const groups = groupTokens(text, all, by as 'word', 'en');
      expect(groups.flatMap((group) => group.tokens).sort((a, b) => a - b)).toEqual([...all.keys()]);
      for (const { start, end } of groups) expect(start >= 0 && end <= text.length && start < end).toBe(true);
    }),
    { numRuns: 200 },
  );
});
