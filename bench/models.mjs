// Models with random weights of published sizes, written once in the formats that are compared: node bench/models.mjs [NAME] writes them
// and prints where they lie.
import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));
/** A package of this repository, as it is built. */
export const load = (name) => import(join(root, `packages/${name}/dist/index.js`));

const mamba = { model_type: 'mamba', state_size: 16 };
export const sizes = {
  'mamba-130m': { ...mamba, vocab_size: 50280, hidden_size: 768, num_hidden_layers: 24 },
  'mamba-370m': { ...mamba, vocab_size: 50280, hidden_size: 1024, num_hidden_layers: 48 },
  /** for --quick: the widths of mamba-130m, fewer layers and words */
  'mamba-quick': { ...mamba, vocab_size: 8192, hidden_size: 768, num_hidden_layers: 2 },
};

/** Where a model's files lie; `safetensors` is a folder. */
export function filesOf(name) {
  const folder = join(root, 'node_modules/.cache/hidden-attention/bench', name);
  const gguf = (dtype) => join(folder, `${dtype}.gguf`);
  return { folder, safetensors: join(folder, 'f32'), f32: gguf('f32'), f16: gguf('f16'), q8_0: gguf('q8_0') };
}

/** Writes what is missing of a model: weights as its family starts them, so that no peer is slowed down by numbers out of range. */
export async function writeModel(name) {
  const files = filesOf(name);
  if (existsSync(files.folder)) return files;
  const { createModel } = await load('model');
  const { byteTokenizer, saveModel, writeGguf } = await load('checkpoint');
  const beside = `${files.folder}.writing-${process.pid}`;
  mkdirSync(beside, { recursive: true });
  const model = createModel(sizes[name], { seed: 1 });
  await saveModel(join(beside, 'f32'), model);
  for (const dtype of ['f32', 'f16', 'q8_0'])
    await writeGguf(join(beside, `${dtype}.gguf`), model, { dtype, tokenizer: byteTokenizer(sizes[name].vocab_size) });
  model.dispose();
  renameSync(beside, files.folder);
  return files;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const name of process.argv.length > 2 ? process.argv.slice(2) : ['mamba-130m']) {
    if (!sizes[name]) throw new Error(`no model "${name}"; known: ${Object.keys(sizes).join(', ')}`);
    console.log((await writeModel(name)).folder);
  }
  process.exit(0);
}
