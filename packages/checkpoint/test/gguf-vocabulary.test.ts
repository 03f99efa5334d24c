import { readFileSync, writeFileSync } from 'node:fs';
import { createModel } from '@hidden-attention/model';
import { expect, test } from 'vitest';
import { loadTokenizer, readGguf, writeGguf, type Tokenizer } from '../src/index.js';
import { temporaryFolder } from './fixtures/temporary.js';
import { byteLevelBpe } from './fixtures/tokenizers.js';

const folder = temporaryFolder();
type Json = Record<'pre_tokenizer' | 'normalizer', unknown>;
async function changed(change: (json: Json) => void): Promise<Tokenizer> {
  const json = JSON.parse(byteLevelBpe()) as Json;
  change(json);
  writeFileSync(folder.path('tokenizer.json'), JSON.stringify(json));
  return loadTokenizer(folder.path('tokenizer.json'));
}
async function written(tokenizer: Tokenizer): Promise<string> {
  const config = { model_type: 'mamba', vocab_size: tokenizer.vocabSize, hidden_size: 16, num_hidden_layers: 1, state_size: 4 };
  const model = createModel(config, { seed: 1 });
  try {
    await writeGguf(folder.path('x.gguf'), model, { dtype: 'f32', tokenizer });
    return folder.path('x.gguf');
  } finally {
    model.dispose();
  }
}
const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };
const digits = { type: 'Split', pattern: { Regex: '[0-9]' }, behavior: 'Isolated', invert: false };

test('tokenizers that cut texts as GPT-2 did say so', async () => {
  for (const part of [byteLevel, { type: 'Sequence', pretokenizers: [byteLevel] }]) {
    await using file = await readGguf(await written(await changed((json) => (json.pre_tokenizer = part))));
    expect(file.metadata['tokenizer.ggml.pre']).toBe('gpt-2');
  }
});

test.each<[string, (json: Json) => void]>([
  ['cuts digits apart', (json) => (json.pre_tokenizer = { type: 'Sequence', pretokenizers: [digits, byteLevel] })],
  ['cuts by another expression', (json) => (json.pre_tokenizer = { ...byteLevel, use_regex: false })],
  ['puts a space in front', (json) => (json.pre_tokenizer = { ...byteLevel, add_prefix_space: true })],
  ['writes everything small', (json) => (json.normalizer = { type: 'Lowercase' })],
])('a tokenizer that %s is refused: a reader would find other ids', async (_, change) => {
  await expect(written(await changed(change))).rejects.toThrow(/no.* byte-level BPE that cuts texts as GPT-2 did/);
});

test('a file that names its kind of model not at all, or one tensor twice by two names, is refused', async () => {
  const bytes = readFileSync(await written(await changed(() => {})));
  const rename = (from: string, to: string): void => {
    const copy = Buffer.from(bytes);
    copy.write(to, copy.indexOf(from));
    writeFileSync(folder.path('y.gguf'), copy);
  };
  rename('general.architecture', 'general.artichokeXXX');
  await expect(readGguf(folder.path('y.gguf'))).rejects.toThrow(/metadata lack general.architecture; read are mamba, mamba2/);
  // a name of ours, as long as the one that it replaces; output_norm.weight becomes the same
  rename('blk.0.attn_norm.weight', 'backbone.norm_f.weight');
  await expect(readGguf(folder.path('y.gguf'))).rejects.toThrow(/another is backbone.norm_f.weight already/);
});
