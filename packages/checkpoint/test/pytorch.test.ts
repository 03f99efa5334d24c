import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { CheckpointError, loadModel, readPyTorch, readSafetensors } from '../src/index.js';
import { dictionary, floats, newFile, tensor } from './fixtures/pytorch.js';
import { temporaryFolder } from './fixtures/temporary.js';
import { processorTime } from './fixtures/processor-time.js';

const golden = fileURLToPath(new URL('./golden/mamba1-original/', import.meta.url));
const folder = temporaryFolder();
interface Case {
  tensors: Record<string, { shape: number[]; meaning: string; tolerance: { atol?: number; rtol?: number } }>;
}
const { tensors: figures } = JSON.parse(readFileSync(`${golden}case.json`, 'utf8')) as Case;
const files = { zip: 'tensors.zip.bin', legacy: 'tensors.legacy.bin' };

describe.each(Object.entries(files))('the %s form', (_, name) => {
  test('every tensor of the golden file: types, strides, shared storages, nested dictionaries', async () => {
    await using expected = await readSafetensors(`${golden}golden.safetensors`);
    await using file = await readPyTorch(`${golden}${name}`);
    const wanted = Object.keys(figures).filter((key) => key.startsWith('tensors.'));
    for (const key of wanted) {
      const stored = [...file.tensors].find(([own]) => own === key.replace('tensors.', '') || own === key.replace('tensors', 'model'))?.[1];
      expect(stored, `${key} among ${[...file.tensors.keys()].join(', ')}`).toBeDefined();
      expect(stored!.shape).toEqual(figures[key]!.shape);
      const numbers = Array.from((await stored!.read()) as Float32Array, Number);
      const right = Array.from((await expected.tensors.get(key)!.read()) as Float32Array, Number);
      expect(numbers).toEqual(right);
    }
  });
});

describe.each(['pytorch_model.bin', 'pytorch_model.legacy.bin'])('a model in the layout of its authors, %s', (name) => {
  test('loads, and gives the golden logits', async () => {
    const own = folder.path(`model-${name}`);
    mkdirSync(own);
    copyFileSync(`${golden}config.json`, `${own}/config.json`);
    copyFileSync(`${golden}${name}`, `${own}/pytorch_model.bin`);
    await using file = await readSafetensors(`${golden}golden.safetensors`);
    const { model, unused } = await loadModel(own);
    expect(unused).toEqual([]);
    expect(model.config.vocabSize).toBe(320);
    const ids = Array.from((await file.tensors.get('input_ids')!.read()) as BigInt64Array, Number);
    const [rows, length] = figures['input_ids']!.shape as [number, number];
    const batch = model.batch(Array.from({ length: rows }, (_, r) => ids.slice(r * length, (r + 1) * length)));
    const logits = await model.forward(batch, { logits: 'last' }).logits!.read();
    const expected = (await file.tensors.get('logits_last')!.read()) as Float32Array;
    const { atol, rtol } = figures['logits_last']!.tolerance as { atol: number; rtol: number };
    expect(logits.length).toBe(expected.length);
    expected.forEach((value, i) => expect(Math.abs(logits[i]! - value)).toBeLessThanOrEqual(atol + rtol * Math.abs(value)));
    model.dispose();
  });
});

const cases = process.env['HIDDEN_ATTENTION_LONG'] === '1' ? 10_000 : 500;

test(`${cases} damaged files: each is read or refused by name, in time and within twice its size of memory`, async () => {
  let state = 7n;
  const next = (below: number): number => {
    state = BigInt.asUintN(64, state * 6364136223846793005n + 1442695040888963407n); // Knuth's linear congruential generator
    return below === 0 ? 0 : Number(state >> 33n) % below;
  };
  const path = folder.path('damaged.bin');
  const wide = newFile(dictionary(['w', tensor({ count: 6, shape: [2, 2], strides: [1, 3] })]), { 0: floats(1, 2, 3, 4, 5, 6) }, [], true);
  const wholes = [...Object.values(files).map((name) => readFileSync(`${golden}${name}`)), wide];
  let accepted = 0;
  for (let i = 0; i < cases; i++) {
    let bytes = Buffer.from(wholes[i % 3]!);
    for (let rounds = 1 + next(3); rounds > 0; rounds--) {
      // mostly where the structure is: the pickles in front, the directory at the end
      const place = next(3);
      const at =
        place === 0
          ? next(bytes.length)
          : place === 1
            ? next(Math.min(bytes.length, 1500))
            : bytes.length - 1 - next(Math.min(bytes.length, 1500));
      const kind = next(4);
      if (kind === 0) bytes[at] = next(256);
      else if (kind === 1) bytes = bytes.subarray(0, at);
      else if (kind === 2) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + next(40))]);
      else bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from([next(256), next(256)]), bytes.subarray(at)]);
      if (bytes.length === 0) break;
    }
    writeFileSync(path, bytes);
    const started = processorTime();
    try {
      await using file = await readPyTorch(path);
      for (const tensor of file.tensors.values()) {
        const numbers = await tensor.read();
        expect(numbers.length).toBe(tensor.shape.reduce((product, size) => product * size, 1));
        expect(numbers.byteLength).toBeLessThanOrEqual(2 * bytes.length); // one at a time: the file's numbers, 16 bits widened
      }
      accepted++;
    } catch (error) {
      if (!(error instanceof CheckpointError)) throw new Error(`case ${i}: ${bytes.toString('base64')}`, { cause: error });
    }
    expect(processorTime() - started).toBeLessThan(1000);
  }
  expect(accepted).toBeGreaterThan(cases / 100);
  expect(accepted).toBeLessThan(cases);
}, 600_000);
