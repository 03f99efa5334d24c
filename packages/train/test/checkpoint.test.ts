import { cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { train } from '../src/index.js';
import { findCheckpoint } from '../src/checkpoint.js';
import { fileOf, newFolder, recipe, someText, weightsIn } from './support.js';

const config = { ...recipe, steps: 6 };

async function interruptedAt(step: number, data: string): Promise<string> {
  const out = newFolder();
  const interrupt = new AbortController();
  await train({
    config,
    data: [data],
    out,
    signal: interrupt.signal,
    onProgress: (progress) => progress.step === step && interrupt.abort(),
  });
  return out;
}

test('a checkpoint whose writing was cut short counts for nothing; the one before it does', async () => {
  const out = await interruptedAt(3, fileOf(someText(100)));
  cpSync(join(out, 'checkpoint-3'), join(out, 'checkpoint-5.writing'), { recursive: true });
  rmSync(join(out, 'checkpoint-5.writing/progress.json'));
  expect(await findCheckpoint(out)).toBe(join(out, 'checkpoint-3'));
});

test('a checkpoint that was whole but not in its place yet is put there', async () => {
  const [data, whole] = [fileOf(someText(100)), newFolder()];
  await train({ config, data: [data], out: whole });
  const out = await interruptedAt(3, data);
  renameSync(join(out, 'checkpoint-3'), join(out, 'checkpoint-3.writing'));
  await train({ config, data: [data], out, resume: true });
  expect(weightsIn(out).equals(weightsIn(whole))).toBe(true);
  expect(readdirSync(out).filter((name) => name.startsWith('checkpoint'))).toEqual([]);
});

test('leftovers of killed writers are gone at the end', async () => {
  const data = fileOf(someText(100));
  const out = await interruptedAt(3, data);
  mkdirSync(join(out, 'checkpoint-4.writing'));
  await train({ config, data: [data], out, resume: true });
  expect(existsSync(join(out, 'checkpoint-4.writing'))).toBe(false);
});

test('a damaged checkpoint is refused by name', async () => {
  const data = fileOf(someText(100));
  const out = await interruptedAt(3, data);
  writeFileSync(join(out, 'checkpoint-3/training.safetensors'), 'short');
  await expect(train({ config, data: [data], out, resume: true })).rejects.toThrow('training.safetensors');
  writeFileSync(join(out, 'checkpoint-3/progress.json'), '{');
  await expect(train({ config, data: [data], out, resume: true })).rejects.toThrow('progress.json');
});
