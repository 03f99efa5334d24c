import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createModel } from '@hidden-attention/model';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { byteTokenizer, CheckpointError, loadTokenizer, requireTokenizer, tokenizerFor, type Tokenizer } from '../src/index.js';
import { byteLevelBpe, sentencePieces, wordPieces } from './fixtures/tokenizers.js';

let folder: string;
beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'tokenizer-'))));
afterEach(() => rm(folder, { recursive: true }));

async function load(json: string): Promise<Tokenizer> {
  const path = join(folder, 'tokenizer.json');
  await writeFile(path, json);
  return loadTokenizer(path);
}

const covered = (tokenizer: Tokenizer, text: string): string[] =>
  tokenizer.encode(text).offsets.map(([start, end]) => text.slice(start, end));

function streamed(tokenizer: Tokenizer, ids: readonly number[]): string {
  const decoder = tokenizer.decoder();
  return ids.map((id) => decoder.push(id)).join('') + decoder.end();
}

const wellFormed = fc.string({ unit: 'binary' }); // no halves of surrogate pairs

describe('byteTokenizer', () => {
  const bytes = byteTokenizer(258, ['<end>', '<pad>']);

  test('gives every byte of a character the range of the character', () => {
    expect(bytes.encode('aé😀')).toEqual({
      ids: [0x61, 0xc3, 0xa9, 0xf0, 0x9f, 0x98, 0x80],
      offsets: [
        [0, 1],
        [1, 2],
        [1, 2],
        [2, 4],
        [2, 4],
        [2, 4],
        [2, 4],
      ],
    });
  });

  test('decodes what it encoded, whole and streamed, and has an offset for each id', () => {
    fc.assert(
      fc.property(wellFormed, (text) => {
        const { ids, offsets } = bytes.encode(text);
        expect(bytes.decode(ids)).toBe(text);
        expect(streamed(bytes, ids)).toBe(text);
        expect(offsets).toHaveLength(ids.length);
      }),
    );
  });

  test('decodes any bytes as the WHATWG decoder does, streamed or not, and leaves specials out', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 257 })), (ids) => {
        const expected = new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(ids.filter((id) => id < 256)));
        expect(bytes.decode(ids)).toBe(expected);
        expect(streamed(bytes, ids)).toBe(expected);
      }),
    );
  });

  test('encodes half a surrogate pair as U+FFFD and keeps the offsets right', () => {
    expect(bytes.encode('\ud83da')).toEqual({
      ids: [0xef, 0xbf, 0xbd, 0x61],
      offsets: [
        [0, 1],
        [0, 1],
        [0, 1],
        [1, 2],
      ],
    });
  });

  test('holds back the bytes of a character until it is whole', () => {
    const decoder = bytes.decoder();
    expect([0x61, 0xf0, 0x9f, 0x98, 0x80, 0xc3].map((id) => decoder.push(id))).toEqual(['a', '', '', '', '😀', '']);
    expect(decoder.end()).toBe('\ufffd');
  });

  test('names ids readably', () => {
    expect([0x41, 0x20, 0x0a, 0x80, 256, 257].map((id) => bytes.tokenText(id))).toEqual(['A', ' ', '<0x0A>', '<0x80>', '<end>', '<pad>']);
    expect(bytes.specialIds).toEqual([256, 257]);
  });

  test('refuses a vocabulary that has no room for the bytes', () => {
    expect(() => byteTokenizer(255)).toThrow(/at least 256 ids; the model has 255/);
  });
});

describe('tokenizer.json', () => {
  test('byte-level BPE: merged pieces, characters cut into pieces, emoji', async () => {
    const tokenizer = await load(byteLevelBpe());
    expect(covered(tokenizer, 'the cat and thé\n\n')).toEqual(['the', ' ', 'c', 'a', 't', ' and', ' ', 'th', 'é', '\n\n']);
    expect(covered(tokenizer, 'a😀b')).toEqual(['a', '😀', '😀', 'b']);
    expect(tokenizer.vocabSize).toBe(267);
    expect(tokenizer.tokenText(tokenizer.encode('\n\n').ids[0]!)).toBe('<0x0A><0x0A>');
    expect(tokenizer.tokenText(tokenizer.encode('x and').ids[1]!)).toBe(' and');
  });

  test('byte-level BPE: a decomposed accent that is composed first still covers both characters', async () => {
    expect(covered(await load(byteLevelBpe()), 'the e\u0301 and')).toEqual(['the', ' ', 'e\u0301', ' and']);
  });

  test('byte-level BPE: a special token in the text covers its own name', async () => {
    const tokenizer = await load(byteLevelBpe());
    expect(covered(tokenizer, 'the<|end|>the')).toEqual(['the', '<|end|>', 'the']);
    expect(tokenizer.decode(tokenizer.encode('the<|end|>the').ids)).toBe('thethe');
    expect(tokenizer.specialIds).toEqual([266]);
  });

  test('byte-level BPE: decodes what it encoded, streamed too; offsets rise and leave nothing out', async () => {
    const tokenizer = await load(byteLevelBpe());
    fc.assert(
      fc.property(wellFormed, (raw) => {
        const text = raw.normalize('NFC');
        const { ids, offsets } = tokenizer.encode(text);
        expect(tokenizer.decode(ids)).toBe(text);
        expect(streamed(tokenizer, ids)).toBe(text);
        let end = 0;
        for (const [from, to] of offsets) {
          expect(from).toBeLessThanOrEqual(end);
          end = Math.max(end, to);
        }
        expect(end).toBe(text.length);
      }),
    );
  });

  test('sentence pieces: a token for the beginning covers nothing, bytes cover their character', async () => {
    const tokenizer = await load(sentencePieces());
    expect(covered(tokenizer, 'the cat é')).toEqual(['', 'the', ' ', 'cat', ' ', 'é', 'é']);
    const { ids } = tokenizer.encode('the cat é');
    expect(tokenizer.decode(ids)).toBe('the cat é');
    expect(streamed(tokenizer, ids)).toBe('the cat é');
  });

  test('word pieces: lower case, accents dropped, spaces skipped', async () => {
    const tokenizer = await load(wordPieces());
    expect(covered(tokenizer, 'The  Cafés, opened.')).toEqual(['The', 'Café', 's', ',', 'open', 'ed', '.']);
    expect(streamed(tokenizer, tokenizer.encode('the cafes opened').ids)).toBe('the cafes opened');
  });

  test('word pieces: an unknown word does not shift what follows', async () => {
    expect(covered(await load(wordPieces()), 'the zebra, the cafe').at(-1)).toBe('cafe');
  });

  test('ids outside the vocabulary decode to nothing', async () => {
    const tokenizer = await load(byteLevelBpe());
    expect(tokenizer.decode([])).toBe('');
    expect(tokenizer.decode([9999])).toBe('');
    expect(tokenizer.tokenText(9999)).toBe('<9999>');
  });

  test.each(['', '{', '[]', '{"model": 3}'])('refuses %j by the name of the file', async (text) => {
    await expect(load(text)).rejects.toThrow(CheckpointError);
    await expect(load(text)).rejects.toThrow(/tokenizer\.json/);
  });
});

describe('tokenizerFor', () => {
  const model = (vocabulary: number, more: object = {}): ReturnType<typeof createModel> =>
    createModel({ model_type: 'mamba', vocab_size: vocabulary, hidden_size: 4, num_hidden_layers: 1, state_size: 2, ...more });

  test('tokenizer.json comes first', async () => {
    await load(byteLevelBpe());
    expect((await tokenizerFor(folder, model(256)))?.kind).toBe('tokenizer.json');
  });

  test('bytes only for 256 plus the declared specials', async () => {
    expect((await tokenizerFor(folder, model(256)))?.kind).toBe('byte');
    expect((await tokenizerFor(folder, model(257, { special_tokens: ['<end>'] })))?.tokenText(256)).toBe('<end>');
    expect(await tokenizerFor(folder, model(257))).toBeNull();
    expect(await tokenizerFor(folder, model(320))).toBeNull();
  });

  test('requireTokenizer says what to give in place of text', () => {
    expect(() => requireTokenizer({ tokenizer: null, folder: 'models/m', model: model(320) })).toThrow(
      /models\/m has no tokenizer\.json.*vocabulary of 320.*--ids/s,
    );
  });
});
