// Files written here load elsewhere: zoo:prose as GGUF in llama.cpp.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadModel, writeGguf, type GgufDType } from '@hidden-attention/checkpoint';
import { loadZoo } from '@hidden-attention/zoo';
import { getLlama, LlamaLogLevel } from 'node-llama-cpp';
import { afterAll, expect, test } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'llama-'));
const { model, tokenizer } = await loadZoo('prose');
const llama = await getLlama({ gpu: false, build: 'never', progressLogs: false, logLevel: LlamaLogLevel.error, maxThreads: 2 });
afterAll(async () => {
  model.dispose();
  await llama.dispose();
  rmSync(folder, { recursive: true });
});

const prompt = 'It was the best of times, it was the worst of ';
const { ids } = tokenizer!.encode(prompt);

/** How far probabilities may lie apart: rounding in f32; of activations to 16 bits in the products; of activations to 8 bits. */
test.each<[GgufDType, number]>([
  ['f32', 1e-5],
  ['f16', 1e-3],
  ['q8_0', 4e-2],
])(
  'zoo:prose as %s: the same probabilities within %s, and the same greedy tokens where their margin is larger',
  async (dtype, within) => {
    const path = join(folder, `prose-${dtype}.gguf`);
    await writeGguf(path, model, { dtype, tokenizer });
    const ours = (await loadModel(path)).model;
    const theirs = await llama.loadModel({ modelPath: path, gpuLayers: 0 });
    expect([...theirs.tokenize(prompt)]).toEqual(ids);
    const context = await theirs.createContext({ contextSize: 256, threads: 2 });
    const sequence = context.getSequence();
    const text = [...ids];
    let clear = 0; // tokens whose margin is larger than the tolerance
    for (let step = 0; step < 64; step++) {
      const last = text.length - 1;
      const read = step === 0 ? text.slice(0, last) : [];
      const asked = [text[last]!, { generateNext: { probabilities: true } }] as const;
      const answers = await sequence.controlledEvaluate([...read, asked] as unknown as Parameters<typeof sequence.controlledEvaluate>[0]);
      const their = answers.at(-1)!.next.probabilities!;
      const logits = await ours.forward(ours.batch([text]), { logits: 'last' }).logits!.read();
      const largest = Math.max(...logits);
      const total = logits.reduce((sum, logit) => sum + Math.exp(logit - largest), 0);
      const own = Array.from(logits, (logit) => Math.exp(logit - largest) / total);
      for (const [id, probability] of their) expect(Math.abs(own[id]! - probability)).toBeLessThan(within);
      const [best, second] = [...own.keys()].sort((a, b) => own[b]! - own[a]!) as [number, number];
      if (own[best]! - own[second]! > 2 * within) {
        clear++;
        expect([...their].reduce((a, b) => (b[1] > a[1] ? b : a))[0]).toBe(best);
      }
      text.push(best);
    }
    expect(clear).toBeGreaterThan(dtype === 'q8_0' ? 40 : 60);
    await context.dispose();
    await theirs.dispose();
    ours.dispose();
  },
  120_000,
);
