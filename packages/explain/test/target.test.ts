import { byteTokenizer } from '@hidden-attention/checkpoint';
import { expect, test } from 'vitest';
import { parseTarget } from '../src/index.js';
import { classifier, smallModel } from './models.js';

const language = smallModel();
const spam = classifier('last');
const tokenizer = byteTokenizer(256, []);

test('ids, labels, texts, and lists of them', () => {
  expect(parseTarget('7', language)).toEqual([7]);
  expect(parseTarget('spam', spam)).toEqual([1]);
  expect(parseTarget('2,ham, spam', spam)).toEqual([2, 0, 1]);
  expect(parseTarget('text:a', language, tokenizer)).toEqual([97]);
  expect(parseTarget('text:a,text:b,5', language, tokenizer)).toEqual([97, 98, 5]);
  expect(parseTarget('text:,', language, tokenizer)).toEqual([44]);
});

test.each([
  ['300', "target 300 does not exist; this model's tokens are 0 to 299"],
  ['-1', 'target -1 does not exist'],
  ['text:ab', 'target "text:ab" is 2 tokens: "a" (97), "b" (98); name one of them'],
  ['text:', 'target "text:" is 0 tokens: none'],
  ['spam', 'target "spam" is neither an id nor text:…'],
])('of a language model, %s is refused', (text, message) => {
  expect(() => parseTarget(text, language, tokenizer)).toThrow(message);
});

test('of a classifier: unknown labels with the nearest, and tokens', () => {
  expect(() => parseTarget('spm', spam)).toThrow('target "spm" is no label of this model; the nearest are spam');
  expect(() => parseTarget('text:a', spam, tokenizer)).toThrow('this model chooses among classes: ham, spam, news');
  expect(() => parseTarget('3', spam)).toThrow('classes are 0 to 2');
  expect(() => parseTarget('text:a', language)).toThrow('needs a tokenizer');
});
