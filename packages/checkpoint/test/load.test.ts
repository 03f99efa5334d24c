import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createModel, ModelError, type Model } from '@hidden-attention/model';
import { describe, expect, test } from 'vitest';
import {
  CheckpointError,
  loadModel,
  loadTokenizer,
  readSafetensors,
  saveModel,
  writeSafetensors,
  type SafetensorsInput,
} from '../src/index.js';
import { temporaryFolder } from './fixtures/temporary.js';
import { byteLevelBpe } from './fixtures/tokenizers.js';

const folder = temporaryFolder();
const json = { model_type: 'mamba', vocab_size: 256, hidden_size: 8, num_hidden_layers: 2, state_size: 4, eos_token_id: 3 };
const embeddings = 'backbone.embeddings.weight';
const skip = 'backbone.layers.0.mixer.D';

async function numbersOf(model: Model): Promise<Map<string, Float32Array>> {
  const all = new Map<string, Float32Array>();
  for (const [name, tensor] of model.parameters) all.set(name, await tensor.read());
  return all;
}

/** Saves a small model; its weights changed by `change` before. */
async function saved(change?: (tensors: Map<string, SafetensorsInput>) => void, config: object = {}): Promise<string> {
  const model = createModel({ ...json, ...config }, { seed: 1 });
  await saveModel(folder.path('model'), model);
  if (change) {
    const numbers = await numbersOf(model);
    const tensors = new Map(
      [...numbers].map(([name, data]): [string, SafetensorsInput] => [
        name,
        { name, dtype: 'F32', shape: model.parameter(name).shape, data },
      ]),
    );
    change(tensors);
    await writeSafetensors(folder.path('model', 'model.safetensors'), tensors.values());
  }
  model.dispose();
  return folder.path('model');
}

const fails = (path: string): Promise<Error> =>
  loadModel(path).then(
    () => expect.fail('it loaded'),
    (error: Error) => error,
  );

describe('saveModel and loadModel', () => {
  test('the same bits come back, and the same bytes are written again', async () => {
    const model = createModel({ ...json, tie_word_embeddings: false }, { seed: 7 });
    await saveModel(folder.path('deep', 'one'), model);
    const loaded = await loadModel(folder.path('deep', 'one'));
    expect(await numbersOf(loaded.model)).toEqual(await numbersOf(model));
    expect(loaded).toMatchObject({ folder: folder.path('deep', 'one'), unused: [] });
    expect(loaded.tokenizer?.kind).toBe('byte');
    await saveModel(folder.path('two'), loaded.model);
    for (const name of ['config.json', 'model.safetensors'])
      expect(readFileSync(folder.path('two', name))).toEqual(readFileSync(folder.path('deep', 'one', name)));
  });

  test('config.json keeps what it held and names what loaders look for', async () => {
    const model = createModel({ ...json, time_step_limit: [0, Infinity], note: 'kept' });
    await saveModel(folder.path('model'), model, { metadata: { recipe: 'none' } });
    const text = readFileSync(folder.path('model', 'config.json'), 'utf8');
    expect(JSON.parse(text)).toEqual({
      ...json,
      time_step_limit: [0, { __float__: 'Infinity' }],
      note: 'kept',
      architectures: ['MambaForCausalLM'],
      torch_dtype: 'float32',
    });
    expect((await loadModel(folder.path('model'))).model.json['time_step_limit']).toEqual([0, Infinity]);
    await using file = await readSafetensors(folder.path('model', 'model.safetensors'));
    expect(file.metadata).toEqual({ format: 'pt', recipe: 'none' });
  });

  test('a tokenizer.json travels with the model', async () => {
    writeFileSync(folder.path('tokenizer.json'), byteLevelBpe());
    const tokenizer = await loadTokenizer(folder.path('tokenizer.json'));
    await saveModel(folder.path('model'), createModel({ ...json, vocab_size: 267 }), { tokenizer });
    const loaded = await loadModel(folder.path('model'));
    expect(loaded.tokenizer?.encode('the').ids).toEqual(tokenizer.encode('the').ids);
    expect(readFileSync(folder.path('model', 'tokenizer.json'), 'utf8')).toBe(byteLevelBpe());
  });

  test('nothing but the finished files is left in the folder', async () => {
    expect(readdirSync(await saved()).sort()).toEqual(['config.json', 'model.safetensors']);
  });

  test('a folder that cannot be made is named', async () => {
    writeFileSync(folder.path('file'), '');
    await expect(saveModel(folder.path('file'), createModel(json))).rejects.toThrow(/cannot make the folder .*file: it exists already/);
  });
});

describe('loadModel', () => {
  test('takes the path of a weight file too', async () => {
    const path = await saved();
    expect((await loadModel(`${path}/model.safetensors`)).folder).toBe(path);
  });

  test('takes weights in several files', async () => {
    const path = await saved();
    const { model } = await loadModel(path);
    const numbers = await numbersOf(model);
    const names = [...numbers.keys()];
    const shard = (own: string[]): SafetensorsInput[] =>
      own.map((name) => ({ name, dtype: 'F32', shape: model.parameter(name).shape, data: numbers.get(name)! }));
    await writeSafetensors(`${path}/a.safetensors`, shard(names.slice(0, 5)));
    await writeSafetensors(`${path}/b.safetensors`, shard(names.slice(5)));
    rmSync(`${path}/model.safetensors`);
    const index = `${path}/model.safetensors.index.json`;
    writeFileSync(
      index,
      JSON.stringify({ weight_map: Object.fromEntries(names.map((name, i) => [name, i < 5 ? 'a.safetensors' : 'b.safetensors'])) }),
    );
    expect(await numbersOf((await loadModel(path)).model)).toEqual(numbers);

    writeFileSync(index, JSON.stringify({ weight_map: { x: '../a.safetensors' } }));
    expect((await fails(path)).message).toMatch(/weight_map names "\.\.\/a\.safetensors"; names of files in the same folder/);
    cpSync(`${path}/a.safetensors`, `${path}/c.safetensors`);
    writeFileSync(index, JSON.stringify({ weight_map: { x: 'a.safetensors', y: 'c.safetensors' } }));
    expect((await fails(path)).message).toMatch(/c\.safetensors: parameter .* comes a second time/);
  });

  test('reads f64 weights, and the original name of the embeddings', async () => {
    const path = await saved((tensors) => {
      const table = tensors.get(embeddings)!;
      tensors.set(embeddings, {
        ...table,
        name: 'backbone.embedding.weight',
        dtype: 'F64',
        data: Float64Array.from(table.data as Float32Array),
      });
    });
    const { model, unused } = await loadModel(path);
    expect(await model.parameter(embeddings).read()).toEqual(await createModel(json, { seed: 1 }).parameter(embeddings).read());
    expect(unused).toEqual([]);
  });

  test('names every parameter that is missing, misshapen or of the wrong kind, with both shapes', async () => {
    const path = await saved((tensors) => {
      tensors.delete('backbone.norm_f.weight');
      tensors.set(skip, { name: skip, dtype: 'F32', shape: [4, 4], data: new Float32Array(16) });
      tensors.set('backbone.layers.1.mixer.D', { name: 'backbone.layers.1.mixer.D', dtype: 'I32', shape: [16], data: new Int32Array(16) });
    });
    const error = await fails(path);
    expect(error).toBeInstanceOf(CheckpointError);
    expect(error.message).toMatch(/layers\.0\.mixer\.D is \(4, 4\); config\.json makes it \(16\)/);
    expect(error.message).toMatch(/layers\.1\.mixer\.D is I32; a floating-point type is needed/);
    expect(error.message).toMatch(/norm_f\.weight \(8\) is missing/);
  });

  test('loads weights that are not finite, and names each such parameter', async () => {
    const norm = 'backbone.norm_f.weight';
    const path = await saved((tensors) => {
      (tensors.get(skip)!.data as Float32Array).set([NaN, -Infinity], 3);
      (tensors.get(embeddings)!.data as Float32Array)[100] = Infinity;
      tensors.set('lm_head.weight', { ...tensors.get(embeddings)!, name: 'lm_head.weight' });
    });
    const { model, warnings, unused } = await loadModel(path);
    expect(warnings).toEqual([
      expect.stringMatching(/model\.safetensors: 1 of the 2048 numbers of backbone\.embeddings\.weight are NaN or infinite/),
      expect.stringMatching(
        /model\.safetensors: 2 of the 16 numbers of backbone\.layers\.0\.mixer\.D are NaN or infinite; the file is damaged/,
      ),
    ]);
    expect(unused).toEqual([]);
    expect([...(await model.parameter(skip).read())].slice(3, 5)).toEqual([NaN, -Infinity]);
    expect((await loadModel(await saved())).warnings).toEqual([]);

    // in 16 bits as they are stored, a piece at a time: counted once, over all pieces
    const wide = await saved((tensors) => (tensors.get(norm)!.data as Float32Array).fill(NaN, 2), { hidden_size: 8 });
    const own = (await loadModel(wide)).model;
    await saveModel(folder.path('half'), own, { dtype: 'bf16' });
    const half = await loadModel(folder.path('half'), { dtype: 'stored' });
    expect(half.warnings).toEqual([expect.stringMatching(/6 of the 8 numbers of backbone\.norm_f\.weight/)]);
  });

  test('lists what it has no use for; the head of a tied model counts only where it differs', async () => {
    const extra = (tensors: Map<string, SafetensorsInput>): void => {
      tensors.set('extra', { name: 'extra', dtype: 'F32', shape: [1], data: new Float32Array(1) });
      tensors.set('lm_head.weight', { ...tensors.get(embeddings)!, name: 'lm_head.weight' });
    };
    expect((await loadModel(await saved(extra))).unused).toEqual(['extra']);
    const differing = (tensors: Map<string, SafetensorsInput>): void => {
      const table = tensors.get(embeddings)!;
      tensors.set('lm_head.weight', { ...table, name: 'lm_head.weight', data: (table.data as Float32Array).map((number) => number + 1) });
    };
    expect((await loadModel(await saved(differing))).unused).toEqual(['lm_head.weight']);
  });

  test("takes GPT-2's weights under their first names, with the masks that lie beside them", async () => {
    const gpt2 = { model_type: 'gpt2', vocab_size: 9, n_embd: 4, n_layer: 1, n_head: 2, n_positions: 7 };
    const model = createModel(gpt2, { seed: 3 });
    const path = folder.path('gpt2');
    await saveModel(path, model);
    expect(JSON.parse(readFileSync(`${path}/config.json`, 'utf8'))).toMatchObject({ architectures: ['GPT2LMHeadModel'] });
    const numbers = await numbersOf(model);
    const early = [...numbers].map(([name, data]): SafetensorsInput => ({
      name: name.replace('transformer.', ''),
      dtype: 'F32',
      shape: model.parameter(name).shape,
      data,
    }));
    early.push({ name: 'h.0.attn.bias', dtype: 'F32', shape: [1, 1, 7, 7], data: new Float32Array(49) });
    await writeSafetensors(`${path}/model.safetensors`, early);
    const loaded = await loadModel(path);
    expect(loaded.unused).toEqual([]);
    expect(await numbersOf(loaded.model)).toEqual(numbers);
  });

  test('understands a bare Infinity and says where a config.json is no JSON', async () => {
    const path = await saved();
    const text = readFileSync(`${path}/config.json`, 'utf8');
    writeFileSync(`${path}/config.json`, text.replace('{', '{ "a": [0.0, Infinity, -Infinity, NaN], "b": "say Infinity, \\"NaN\\"",'));
    expect((await loadModel(path)).model.json).toMatchObject({ a: [0, Infinity, -Infinity, NaN], b: 'say Infinity, "NaN"' });
    writeFileSync(`${path}/config.json`, text.replace('{', '{ a: 1'));
    expect((await fails(path)).message).toMatch(/config\.json is not JSON/);
    writeFileSync(`${path}/config.json`, '[]');
    expect((await fails(path)).message).toMatch(/config\.json holds \[\]; a JSON object is needed/);
  });

  test('says what was looked for and what to do', async () => {
    expect((await fails(folder.path('none'))).message).toMatch(
      /no model at .*none: no such file or folder\. Give a folder with config\.json and model\.safetensors/,
    );
    mkdirSync(folder.path('empty'));
    expect((await fails(folder.path('empty'))).message).toMatch(/empty has no weights: none of model\.safetensors/);
    const path = await saved();
    rmSync(`${path}/model.safetensors`);
    expect((await fails(path)).message).toMatch(
      /none of model\.safetensors, model\.safetensors\.index\.json, pytorch_model\.bin, .* is there/,
    );
    writeFileSync(`${path}/pytorch_model.bin`, '');
    expect((await fails(path)).message).toMatch(
      /cannot read .*pytorch_model\.bin as a PyTorch file: it does not begin as a file of torch\.save does/,
    );
    const other = await saved();
    writeFileSync(`${other}/config.json`, JSON.stringify({ ...json, model_type: 'snake' }));
    expect(await fails(other)).toBeInstanceOf(ModelError);
    expect((await fails(other)).message).toMatch(/unknown model family "snake".*known: falcon_mamba, gpt2, gpt_neox, jamba, mamba, mamba2/);
  });
});

describe('weights of 16 bits', () => {
  const config = { model_type: 'mamba', vocab_size: 30, hidden_size: 16, num_hidden_layers: 2, state_size: 4 };

  test.each(['bf16', 'f16'] as const)(
    'written and held in %s: half the bytes, the same logits as rounding the weights gives',
    async (dtype) => {
      const model = createModel(config, { seed: 2 });
      const path = folder.path(`in-${dtype}`);
      await saveModel(path, model, { dtype });
      const wide = await loadModel(path);
      const held = await loadModel(path, { dtype: 'stored' });
      const asked = await loadModel(path, { dtype });
      for (const [name, tensor] of held.model.parameters) {
        const exact = /A_log|mixer\.D$|dt_proj\.bias/.test(name);
        expect(tensor.dtype, name).toBe(exact ? 'f32' : dtype);
        expect(await tensor.read()).toEqual(await wide.model.parameter(name).read());
        expect(await asked.model.parameter(name).read()).toEqual(await wide.model.parameter(name).read());
      }
      const logits = async (of: Model): Promise<Float32Array> => of.forward(of.batch([[1, 2, 3, 4]]), { logits: 'last' }).logits!.read();
      const [a, b] = [await logits(held.model), await logits(wide.model)];
      const largest = Math.max(...b.map(Math.abs));
      a.forEach((value, i) => expect(Math.abs(value - b[i]!)).toBeLessThan(largest * (dtype === 'bf16' ? 0.05 : 0.008)));
    },
  );
});
