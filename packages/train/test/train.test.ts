import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadModel } from '@hidden-attention/checkpoint';
import { openDevice } from '@hidden-attention/tensor';
import { describe, expect, test } from 'vitest';
import { byteLevelBpe } from '../../checkpoint/test/fixtures/tokenizers.js';
import { train, type TrainProgress } from '../src/index.js';
import { fileOf, newFolder, recipe, smallClassifier, someMail, someText, weightsIn } from './support.js';

const text = someText(400);

describe('train', () => {
  test('learns a repeated text nearly by heart, and leaves a model folder, a log, a curve and a summary', async () => {
    const out = newFolder();
    const seen: TrainProgress[] = [];
    const data = fileOf('abcdefgh'.repeat(100));
    const result = await train({
      config: { ...recipe, steps: 100, learningRate: 0.02, evaluateEvery: 50 },
      data: [data],
      out,
      onProgress: (progress) => seen.push(progress),
    });
    expect(result.reason).toBe('finished');
    expect(seen[0]!.loss).toBeGreaterThan(4.5); // log 256 = 5.5 before anything is learnt
    expect(seen.at(-1)!.loss).toBeLessThan(0.3);
    expect(result.evaluation!.bitsPerByte).toBeCloseTo(result.evaluation!.loss / Math.LN2, 10);
    expect(seen.map(({ step }) => step)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
    expect(seen.at(-1)).toMatchObject({ step: 100, steps: 100, secondsLeft: 0 });
    expect(seen.filter(({ evaluation }) => evaluation).map(({ step }) => step)).toEqual([50, 100]);
    expect(readdirSync(out).sort()).toEqual(['config.json', 'curve.svg', 'log.jsonl', 'model.safetensors', 'training.json']);
    const summary = JSON.parse(readFileSync(join(out, 'training.json'), 'utf8'));
    expect(summary).toMatchObject({
      steps: 100,
      tokens: 100 * 4 * 24,
      evaluation: result.evaluation,
      files: [{ name: 'data.txt', bytes: 800 }],
    });
    expect(readFileSync(join(out, 'curve.svg'), 'utf8')).toContain('<svg');
    const { model } = await loadModel(out);
    expect(model.parameterCount).toBe(summary.parameters);
    model.dispose();
  });

  test('gives the same bits twice, and others with another seed', async () => {
    const data = fileOf(text);
    const run = async (seed: number): Promise<Buffer> => {
      const out = newFolder();
      await train({ config: { ...recipe, seed }, data: [data], out });
      return weightsIn(out);
    };
    const [first, second, other] = [await run(7), await run(7), await run(8)];
    expect(first.equals(second)).toBe(true);
    expect(first.equals(other)).toBe(false);
  });

  // 5: where an evaluation is due; 4: where a checkpoint is; 7: neither; 11: the last but one
  test.each([1, 4, 5, 7, 11])('interrupted after step %i and resumed, ends with the same bits and log', async (stop) => {
    const data = fileOf(text);
    const config = { ...recipe, averageWeights: 0.9, inputDropout: 0.1, accumulation: 2 };
    const whole = newFolder();
    const expected = await train({ config, data: [data], out: whole });
    const out = newFolder();
    const interrupt = new AbortController();
    const halves = await train({
      config,
      data: [data],
      out,
      signal: interrupt.signal,
      onProgress: ({ step }) => step === stop && interrupt.abort(),
    });
    expect(halves).toMatchObject({ reason: 'interrupted', step: stop });
    expect(readdirSync(out)).toContain(`checkpoint-${stop}`);
    expect(existsSync(join(out, 'training.json'))).toBe(false);
    const result = await train({ config, data: [data], out, resume: true });
    expect(result).toEqual(expected);
    expect(weightsIn(out).equals(weightsIn(whole))).toBe(true);
    expect(untimed(out)).toEqual(untimed(whole));
  });

  test('interrupted in the middle of an evaluation, makes up for it', async () => {
    const data = fileOf(text);
    const config = { ...recipe, batchSize: 1 };
    const whole = newFolder();
    await train({ config, data: [data], out: whole });
    // the signal is looked at between batches: aborted as soon as the fifth step has been read, the evaluation is cut short
    const out = newFolder();
    const interrupt = new AbortController();
    const signal = {
      get aborted() {
        return interrupt.signal.aborted || ++looks > 12;
      },
    } as AbortSignal;
    let looks = 0;
    const half = await train({ config, data: [data], out, signal });
    expect(half.step).toBe(5);
    expect(half.evaluation).toBeNull();
    await train({ config, data: [data], out, resume: true });
    expect(weightsIn(out).equals(weightsIn(whole))).toBe(true);
    expect(untimed(out)).toEqual(untimed(whole));
  });

  test('keeps the best weights, not the last', async () => {
    const out = newFolder();
    const evaluations: { step: number; loss: number }[] = [];
    // held out is another language: what the two share is learnt at first, then the loss there goes up
    const config = {
      ...recipe,
      steps: 40,
      learningRate: 0.02,
      evaluateEvery: 1,
      validation: { file: fileOf('fast small mamba '.repeat(20)) },
    };
    const data = fileOf('the state of a scan '.repeat(50));
    const result = await train({
      config,
      data: [data],
      out,
      onProgress: ({ step, evaluation }) => evaluation && evaluations.push({ step, loss: evaluation.loss }),
    });
    const best = evaluations.reduce((a, b) => (b.loss < a.loss ? b : a));
    expect(best.step).toBeLessThan(40);
    expect(result.evaluation!.loss).toBe(best.loss);
    expect(JSON.parse(readFileSync(join(out, 'training.json'), 'utf8')).kept).toBe(best.step);
  });

  test('learns to classify separable mail to the last one, with every augmentation on', async () => {
    const out = newFolder();
    const config = {
      task: 'classification',
      model: smallClassifier,
      seed: 1,
      epochs: 8,
      batchSize: 8,
      length: 90,
      learningRate: 0.01,
      warmupSteps: 5,
      inputDropout: 0.02,
      cropStart: 0.2,
      labelSmoothing: 0.05,
      averageWeights: 0.9,
      validation: { fraction: 0.25 },
      evaluateEvery: 10,
    };
    const result = await train({ config, data: [fileOf(someMail(200), 'mail.jsonl')], out });
    expect(result.evaluation!.accuracy).toBe(1);
  });

  test('takes a tokenizer.json, counts bits by the byte, and leaves the tokenizer with the model', async () => {
    const [out, tokenizer] = [newFolder(), fileOf(byteLevelBpe(), 'tokenizer.json')];
    const config = { ...recipe, tokenizer, model: { ...recipe.model, vocab_size: 267 } };
    const words = 'the cat and the dog '; // 20 bytes; "the" and " the" and " and" are tokens
    const { evaluation } = await train({ config, data: [fileOf(words.repeat(60))], out });
    const loaded = await loadModel(out);
    expect(loaded.tokenizer!.kind).toBe('tokenizer.json');
    const bytesPerToken = (20 * 60) / loaded.tokenizer!.encode(words.repeat(60)).ids.length;
    expect(bytesPerToken).toBeGreaterThan(1.5);
    expect(evaluation!.bitsPerByte).toBeCloseTo(evaluation!.loss / Math.LN2 / bytesPerToken, 10);
    loaded.model.dispose();
  });

  test('stops at a loss that is no number, naming the step, and keeps the last checkpoint', async () => {
    const out = newFolder();
    const data = fileOf(text);
    const config = { ...recipe, steps: 200, learningRate: 1e30, clipNorm: 1e30, warmupSteps: 0, checkpointEvery: 1 };
    await expect(train({ config, data: [data], out })).rejects.toThrow(
      /^step \d+: the loss is (NaN|Infinity|\d+), the gradient norm (NaN|Infinity)/,
    );
    expect(readdirSync(out).filter((name) => name.startsWith('checkpoint-'))).toHaveLength(1);
  });

  test('holds no device memory afterwards, and the same at every step', async () => {
    const device = openDevice();
    const data = fileOf(someMail(100), 'mail.jsonl');
    const before = device.memory().live;
    const live: number[] = [];
    const config = { ...recipe, task: 'classification', model: smallClassifier, steps: 40, evaluateEvery: 1000 };
    await train({ config, data: [data], out: newFolder(), onProgress: () => live.push(device.memory().live) });
    expect(new Set(live.slice(0, -1)).size).toBe(1);
    expect(device.memory().live).toBe(before);
  });
});

/** The log without what the clock says. */
function untimed(out: string): unknown[] {
  const lines = readFileSync(join(out, 'log.jsonl'), 'utf8').trim().split('\n');
  return lines.map((line) => ({ ...(JSON.parse(line) as object), tokensPerSecond: 0 }));
}

describe('precision and memory', () => {
  const lossesOf = async (changes: object): Promise<{ losses: number[]; out: string }> => {
    const out = newFolder();
    const losses: number[] = [];
    await train({ config: { ...recipe, ...changes }, data: [fileOf(text)], out, onProgress: ({ loss }) => losses.push(loss) });
    return { losses, out };
  };

  test('recompute: the same bits', async () => {
    const [plain, again] = [await lossesOf({}), await lossesOf({ recompute: true })];
    expect(again.losses).toEqual(plain.losses);
    expect(weightsIn(again.out)).toEqual(weightsIn(plain.out));
  });

  test('bf16: the loss follows that of f32, and the weights that are kept are f32', async () => {
    const [exact, mixed] = [await lossesOf({ steps: 40 }), await lossesOf({ steps: 40, precision: 'bf16', recompute: true })];
    expect(mixed.losses).not.toEqual(exact.losses);
    expect(exact.losses.at(-1)!).toBeLessThan(0.75 * exact.losses[0]!);
    for (const [i, loss] of mixed.losses.entries()) expect(Math.abs(loss / exact.losses[i]! - 1)).toBeLessThan(0.02);
    expect(weightsIn(mixed.out).byteLength).toBe(weightsIn(exact.out).byteLength);
  });
});
