// GPT-2's tokenizer, whole and pruned, on a megabyte of several scripts.
import { writeFileSync } from 'node:fs';
import { encode } from 'gpt-tokenizer/encoding/r50k_base';
import { expect, test } from 'vitest';
import { loadTokenizer, type Tokenizer } from '../src/index.js';
import { gpt2Tokenizer } from './fixtures/gpt2.js';
import { temporaryFolder } from './fixtures/temporary.js';

const folder = temporaryFolder();
async function tokenizerOf(size?: number): Promise<Tokenizer> {
  const path = folder.path('tokenizer.json');
  writeFileSync(path, gpt2Tokenizer(size));
  return loadTokenizer(path);
}

const parts = [
  'The quick brown fox jumps over the lazy dog, doesn’t it? ',
  'Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich.\n',
  'Съешь же ещё этих мягких французских булок, да выпей чаю. ',
  'Ξεσκεπάζω τὴν ψυχοφθόρα βδελυγμία.\n\n',
  'いろはにほへと ちりぬるを 色は匂へど 散りぬるを ',
  '天地玄黃，宇宙洪荒。日月盈昃，辰宿列張。\n',
  'نص حكيم له سر قاطع وذو شأن عظيم ',
  'דג סקרן שט בים מאוכזב ולפתע מצא חברה ',
  '🐍🧪👩‍👩‍👧‍👦 flags 🇩🇪🇯🇵, skin 👍🏽, math ∀x∈ℝ: ⌈x⌉ = −⌊−x⌋, 𝔘𝔫𝔦𝔠𝔬𝔡𝔢. ',
  'for (let i = 0; i < 10; i++) {\n\tx[i] += 0x1f; // tabs\n}\n',
  'e\u0301 combining, zero\u200bwidth, \u202eright to left\u202c, nul\u0000 and \u00a0 spaces   in rows\r\n',
];
/** About a megabyte; each round has a number in it, so that no two are alike. */
const text = Array.from({ length: Math.ceil(1e6 / Buffer.byteLength(parts.join(''))) }, (_, i) => `${i} ${parts.join('')}`).join('');

/** Every id covers characters whose bytes hold its own; together they cover the text from its beginning to its end. */
function expectOffsets(tokenizer: Tokenizer, input: string): void {
  const { ids, offsets } = tokenizer.encode(input);
  let covered = 0;
  for (const [at, id] of ids.entries()) {
    const [start, end] = offsets[at]!;
    if (start > covered || end < covered) expect.fail(`id ${at} covers ${start} to ${end}; the one before ended at ${covered}`);
    const own = tokenizer.decode([id]);
    if (!own.includes('\uFFFD') && own !== input.slice(start, end))
      expect.fail(`id ${at} is ${JSON.stringify(own)} but covers ${JSON.stringify(input.slice(start, end))}`);
    covered = end;
  }
  expect(covered).toBe(input.length);
}

test('the whole vocabulary gives the ids of the package that ships it', async () => {
  const tokenizer = await tokenizerOf();
  expect(tokenizer.vocabSize).toBe(50256);
  const some = text.slice(0, 60_000);
  expect(tokenizer.encode(some).ids).toEqual(encode(some));
}, 60_000);

test('pruned to 8,000 tokens: a megabyte comes back as it was, and offsets point at the right characters', async () => {
  const tokenizer = await tokenizerOf(8000);
  const { ids } = tokenizer.encode(text);
  expect(Math.max(...ids.slice(0, 100_000))).toBeLessThan(8000);
  expect(tokenizer.decode(ids)).toBe(text);
  expectOffsets(tokenizer, text);
}, 300_000);

test('half a surrogate pair is replaced, as documented; a stream gives what the whole gives', async () => {
  const tokenizer = await tokenizerOf(8000);
  const odd = 'a\uD83D b\uDC0D c🐍';
  expect(tokenizer.decode(tokenizer.encode(odd).ids)).toBe(odd.toWellFormed());
  const { ids } = tokenizer.encode(parts.join(''));
  const decoder = tokenizer.decoder();
  expect(ids.map((id) => decoder.push(id)).join('') + decoder.end()).toBe(parts.join(''));
}, 60_000);
