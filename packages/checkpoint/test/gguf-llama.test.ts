// llama.cpp as the judge: it computes what we compute from every kind of file that is written, and decodes blocks as we do.
import { readFileSync, writeFileSync } from 'node:fs';
import { createModel, Model } from '@hidden-attention/model';
import { Tensor } from '@hidden-attention/tensor';
import { getLlama, LlamaLogLevel, type Llama, type LlamaModel } from 'node-llama-cpp';
import { afterAll, describe, expect, test } from 'vitest';
import { byteTokenizer, loadModel, loadTokenizer, writeGguf, type GgufDType } from '../src/index.js';
import { ggufTypes } from '../src/gguf/types.js';
import { toHalf } from '../src/narrow.js';
import { gpt2Tokenizer } from './fixtures/gpt2.js';
import { temporaryFolder } from './fixtures/temporary.js';

const folder = temporaryFolder();
const options = { gpu: false, build: 'never', progressLogs: false, logLevel: LlamaLogLevel.fatal, maxThreads: 2 } as const;
const llama: Llama | undefined = await getLlama(options).catch((error: unknown) => {
  console.log(`tests against llama.cpp are skipped: node-llama-cpp has nothing to run here (${(error as Error).message})`);
  return undefined;
});
afterAll(() => llama?.dispose());

/** Numbers from −1 to 1, always the same (Knuth's linear congruential generator). */
function numbers(seed: bigint): () => number {
  let state = seed;
  return () => {
    state = BigInt.asUintN(64, state * 6364136223846793005n + 1442695040888963407n);
    return Number(state >> 32n) / 2 ** 31 - 1;
  };
}

/** A model none of whose parameters is left at 0 or 1, so that a forgotten or exchanged one shows. */
async function drawn(json: object): Promise<Model> {
  const fresh = createModel(json, { seed: 4 });
  const next = numbers(7n);
  const parameters = new Map<string, Tensor>();
  for (const [name, tensor] of fresh.parameters) {
    const values = (await tensor.read()).map((value) => value + 0.2 * next());
    parameters.set(name, Tensor.from(values, tensor.shape, fresh.device));
  }
  return new Model(fresh.family, fresh.config, fresh.json, parameters, fresh.device);
}

async function opened<R>(path: string, use: (theirs: LlamaModel) => Promise<R>): Promise<R> {
  const theirs = await llama!.loadModel({ modelPath: path, gpuLayers: 0 });
  try {
    return await use(theirs);
  } finally {
    await theirs.dispose();
  }
}

/** Log-probabilities of what follows `ids`, by llama.cpp. */
const theirAnswer = (path: string, ids: readonly number[]): Promise<Map<number, number>> =>
  opened(path, async (theirs) => {
    const context = await theirs.createContext({
      contextSize: 256,
      threads: 2,
      flashAttention: false,
      experimentalKvCacheKeyType: 'F32',
      experimentalKvCacheValueType: 'F32',
    });
    const sequence = context.getSequence();
    type Input = Parameters<typeof sequence.controlledEvaluate>[0];
    const asked = [...ids.slice(0, -1), [ids.at(-1)!, { generateNext: { probabilities: true } }]] as unknown as Input;
    const { probabilities } = (await sequence.controlledEvaluate(asked)).at(-1)!.next;
    return new Map([...probabilities!].map(([id, probability]) => [id, Math.log(probability)]));
  });

/** The same by a model of ours. */
async function ourAnswer(model: Model, ids: readonly number[]): Promise<number[]> {
  const logits = await model.forward(model.batch([ids]), { logits: 'last' }).logits!.read();
  const largest = Math.max(...logits);
  const total = Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - largest), 0));
  return Array.from(logits, (logit) => logit - largest - total);
}

async function expectAgreement(model: Model, path: string, ids: readonly number[], within: number): Promise<void> {
  const [ours, theirs] = [await ourAnswer(model, ids), await theirAnswer(path, ids)];
  expect(theirs.size).toBe(ours.length);
  expect(Math.max(...ours) - Math.min(...ours)).toBeGreaterThan(2); // an answer, not a flat line
  const apart = ours.map((own, id) => Math.abs(own - theirs.get(id)!));
  expect(Math.max(...apart)).toBeLessThan(within);
}

const text = 'In 12345 words — naïve 🐍, "quoted"; isn\'t it?';
const ids = [...Buffer.from(text)];
const sizes = { vocab_size: 256, hidden_size: 64, num_hidden_layers: 2, state_size: 16, eos_token_id: 3 };
const heads = { num_heads: 8, head_dim: 16 };

describe.skipIf(!llama).each(
  Object.entries({
    'mamba, tied': { ...sizes, model_type: 'mamba', tie_word_embeddings: true },
    'mamba, untied': { ...sizes, model_type: 'mamba', tie_word_embeddings: false },
    // with the norms' own epsilon, which is all that llama.cpp has
    falcon_mamba: { ...sizes, model_type: 'falcon_mamba', mixer_rms_eps: 1e-5 },
    'mamba2, tied': { ...sizes, ...heads, model_type: 'mamba2', n_groups: 1, tie_word_embeddings: true },
    // with the only GELU that llama.cpp has, from a table in half precision
    gpt2: { vocab_size: 256, n_embd: 64, n_layer: 2, n_head: 4, n_positions: 300, model_type: 'gpt2', eos_token_id: 3 },
    gpt_neox: { ...sizes, num_attention_heads: 4, model_type: 'gpt_neox', hidden_act: 'gelu_new' },
    'gpt_neox one after the other': {
      ...sizes,
      num_attention_heads: 2,
      model_type: 'gpt_neox',
      hidden_act: 'gelu_new',
      use_parallel_residual: false,
      rotary_pct: 1,
    },
    jamba: {
      ...sizes,
      num_hidden_layers: 5,
      num_attention_heads: 4,
      num_key_value_heads: 2,
      intermediate_size: 96,
      model_type: 'jamba',
      attn_layer_period: 3,
      attn_layer_offset: 1,
    },
    'mamba2 in 4 groups': { ...sizes, ...heads, model_type: 'mamba2', n_groups: 4, norm_groups: 4 },
  }),
)('%s', (name, json) => {
  // rounding in f32 (the GELU: to half precision); of activations to 16 bits in the products; of activations to 8 bits
  test.each<[GgufDType, number]>([
    ['f32', name.startsWith('gpt') ? 2e-3 : 2e-5],
    ['f16', 1e-2],
    ['q8_0', 0.2],
  ])('as %s: llama.cpp gives the same log-probabilities within %s, and one id a byte', async (dtype, within) => {
    const path = folder.path('model.gguf');
    const model = await drawn(json);
    await writeGguf(path, model, { dtype, tokenizer: byteTokenizer(256) });
    expect(await opened(path, async (theirs) => [...theirs.tokenize(text)])).toEqual(ids);
    const read = (await loadModel(path)).model;
    await expectAgreement(read, path, ids, within);
    if (dtype === 'f32') await expectAgreement(model, path, ids, within); // nothing was lost on the way
    model.dispose();
    read.dispose();
  });
});

test.skipIf(!llama)('a byte-level BPE vocabulary gives the same ids in llama.cpp', async () => {
  writeFileSync(folder.path('tokenizer.json'), gpt2Tokenizer(8000));
  const tokenizer = await loadTokenizer(folder.path('tokenizer.json'));
  const tiny = { model_type: 'mamba', vocab_size: tokenizer.vocabSize, hidden_size: 16, num_hidden_layers: 1, state_size: 4 };
  const model = createModel(tiny, { seed: 1 });
  await writeGguf(folder.path('bpe.gguf'), model, { tokenizer });
  const texts = [text, 'On 2024-11-24 x += 1000000; // $$$ ok...', '  two  spaces\n\n\ttab\r\n ', 'Ünï çödé 天地玄黃 ١٢٣ e\u0301 🇩🇪'];
  const theirs = await opened(folder.path('bpe.gguf'), async (read) => texts.map((one) => [...read.tokenize(one)]));
  expect(theirs).toEqual(texts.map((one) => tokenizer.encode(one).ids));
  model.dispose();
});

/** Where the half-precision scales of a block stand: random bits would make some of them infinite. */
const scales: Readonly<Record<string, readonly number[]>> = {
  Q4_0: [0],
  Q4_1: [0, 2],
  Q5_0: [0],
  Q5_1: [0, 2],
  Q8_0: [0],
  Q4_K: [0, 2],
  Q5_K: [0, 2],
  Q6_K: [208],
};

/** A GGUF file that ends in its embeddings in f32, with random blocks of a type in their place. */
function withEmbeddings(file: Buffer, type: (typeof ggufTypes)[number], count: number): Buffer {
  const next = numbers(11n);
  const blocks = Buffer.alloc((count / type.block) * type.bytes);
  for (let i = 0; i < blocks.length; i++) blocks[i] = Math.floor((next() + 1) * 128);
  for (let at = 0; at < blocks.length; at += type.bytes)
    for (const scale of scales[type.name] ?? []) blocks.writeUInt16LE(toHalf(0.01 * next()), at + scale);
  const whole = Buffer.concat([file.subarray(0, file.length - 4 * count), blocks]);
  const name = 'token_embd.weight';
  whole.writeUInt32LE(type.code, whole.indexOf(name) + name.length + 4 + 2 * 8); // after the number of axes and two sizes
  return whole;
}

describe.skipIf(!llama)('blocks that llama.cpp decodes too', () => {
  const decoded = ggufTypes.filter(({ decode }) => decode);
  test('every type that is decoded is tried', () => expect(decoded.map(({ name }) => name)).toEqual(Object.keys(scales)));

  test.each(decoded.map((type) => [type.name, type] as const))('%s', async (_, type) => {
    const json = { ...sizes, model_type: 'mamba', hidden_size: 256, num_hidden_layers: 1, tie_word_embeddings: false };
    const { family, config, parameters, device } = await drawn(json);
    const [embeddings, ...others] = parameters;
    const model = new Model(family, config, json, new Map([...others, embeddings!]), device);
    const path = folder.path('blocks.gguf');
    await writeGguf(path, model, { dtype: 'f32', tokenizer: byteTokenizer(256) });
    writeFileSync(path, withEmbeddings(readFileSync(path), type, 256 * 256));
    const read = (await loadModel(path)).model;
    await expectAgreement(read, path, ids, 5e-5);
    model.dispose();
    read.dispose();
  });
});
