import { readFileSync } from 'node:fs';
import { loadModel, readSafetensors } from '@hidden-attention/checkpoint';
import { expect, test } from 'vitest';
import { createSession, generateAll } from '../src/index.js';
import { goldenFolder } from './fixtures/models.js';

interface Case {
  tensors: Record<string, { shape: number[]; tolerance: { atol: number; rtol: number } }>;
}
const { tensors: figures } = JSON.parse(readFileSync(`${goldenFolder}case.json`, 'utf8')) as Case;

async function golden(): Promise<{ prompts: number[][]; tokens: number[][]; stepLogits: Float32Array }> {
  await using file = await readSafetensors(`${goldenFolder}golden.safetensors`);
  const rowsOf = async (name: string): Promise<number[][]> => {
    const [rows, length] = figures[name]!.shape as [number, number];
    const numbers = Array.from((await file.tensors.get(name)!.read()) as BigInt64Array, Number);
    return Array.from({ length: rows }, (_, row) => numbers.slice(row * length, (row + 1) * length));
  };
  return {
    prompts: await rowsOf('input_ids'),
    tokens: await rowsOf('greedy_tokens'),
    stepLogits: (await file.tensors.get('greedy_step_logits')!.read()) as Float32Array,
  };
}

test('greedy tokens of mamba1-lm, the rows together and each alone', async () => {
  const { model } = await loadModel(goldenFolder);
  const { prompts, tokens } = await golden();
  const options = { maxTokens: tokens[0]!.length, ignoreEos: true };
  expect(await generateAll(model, prompts, options)).toEqual(tokens);
  for (const [r, prompt] of prompts.entries()) expect(await generateAll(model, [prompt], options)).toEqual([tokens[r]]);
});

test('logits of the single steps of mamba1-lm', async () => {
  const { model } = await loadModel(goldenFolder);
  const { prompts, tokens, stepLogits } = await golden();
  const { shape, tolerance } = figures['greedy_step_logits']!;
  const [, steps, vocabulary] = shape as [number, number, number];
  for (const [r, prompt] of prompts.entries()) {
    const session = createSession(model);
    await session.append(prompt);
    for (let step = 0; step < steps; step++) {
      const logits = await session.append([tokens[r]![step]!]);
      const start = (r * steps + step) * vocabulary;
      const bad = logits.findIndex(
        (logit, id) => !(Math.abs(logit - stepLogits[start + id]!) <= tolerance.atol + tolerance.rtol * Math.abs(stepLogits[start + id]!)),
      );
      expect(bad, `row ${r}, step ${step}: the logit of token ${bad} is ${logits[bad]}; ${stepLogits[start + bad]} is expected`).toBe(-1);
    }
  }
});
