import { byteTokenizer, loadModel } from '@hidden-attention/checkpoint';
import { createModel, inPrecision } from '@hidden-attention/model';
import { describe, expect, test } from 'vitest';
import { train, Trained, TrainError, type TrainProgress } from '../src/index.js';
import { fileOf, newFolder, recipe, smallModel, someText, weightsIn } from './support.js';

const { model: _, ...tuning } = recipe;
const text = someText(400);
const model = createModel(smallModel, { seed: 3 });
const from = { model, tokenizer: byteTokenizer() };

async function tuned(changes: object, more: object = {}): Promise<{ out: string; losses: number[] }> {
  const out = newFolder();
  const losses: number[] = [];
  const onProgress = ({ loss }: TrainProgress): void => void losses.push(loss);
  await train({ config: { ...tuning, ...changes }, data: [fileOf(text)], out, from, onProgress, ...more });
  return { out, losses };
}

/** Rank of a matrix by elimination, up to `within` of its largest number. */
function rankOf(matrix: Float64Array, columns: number, within: number): number {
  const rows = Array.from({ length: matrix.length / columns }, (__, r) => matrix.slice(r * columns, (r + 1) * columns));
  const largest = Math.max(...matrix.map(Math.abs));
  let rank = 0;
  for (let column = 0; column < columns && rank < rows.length; column++) {
    const pivot = rows
      .slice(rank)
      .reduce((best, row, i) => (Math.abs(row[column]!) > Math.abs(rows[best]![column]!) ? rank + i : best), rank);
    if (Math.abs(rows[pivot]![column]!) <= within * largest) continue;
    [rows[rank], rows[pivot]] = [rows[pivot]!, rows[rank]!];
    for (const row of rows.slice(rank + 1)) {
      const factor = row[column]! / rows[rank]![column]!;
      for (let c = 0; c < columns; c++) row[c]! -= factor * rows[rank]![c]!;
    }
    rank++;
  }
  return rank;
}

test('training goes on from the weights given, and leaves them as they are', async () => {
  const before = new Map(await Promise.all([...model.parameters].map(async ([name, tensor]) => [name, await tensor.read()] as const)));
  const { out, losses } = await tuned({ steps: 30 });
  const again = await tuned({ steps: 20 }, { from: { ...from, model: (await loadModel(out)).model } });
  expect(losses.at(-1)!).toBeLessThan(losses[0]! - 0.5);
  expect(again.losses[0]!).toBeLessThan(losses[0]! - 0.5);
  for (const [name, numbers] of before) expect(await model.parameter(name).read()).toEqual(numbers);
});

test('what is frozen keeps its bits, all else moves', async () => {
  const { out } = await tuned({ freeze: ['backbone.embeddings.*', '*.A_log'] });
  const { model: result } = await loadModel(out);
  for (const [name, tensor] of result.parameters) {
    const same = Buffer.from((await tensor.read()).buffer).equals(Buffer.from((await model.parameter(name).read()).buffer));
    expect(same, name).toBe(/embeddings|A_log/.test(name));
  }
});

describe('low-rank adapters', () => {
  const lora = { rank: 2, alpha: 4, targets: ['*.in_proj.weight', '*.out_proj.weight'] };

  test('fresh ones leave the model as it is', async () => {
    const logits = async (of: typeof model): Promise<Float32Array> => of.forward(of.batch([[1, 2, 3]]), { logits: 'last' }).logits!.read();
    expect(await logits(new Trained(model, { lora, seed: 1 }).with())).toEqual(await logits(model));
  });

  test('learn, and are merged into their weights: the difference is of their rank, and there is no other', async () => {
    const { out, losses } = await tuned({ lora, steps: 60, learningRate: 0.02 });
    expect(losses.at(-1)!).toBeLessThan(losses[0]! - 0.15);
    const { model: result, unused } = await loadModel(out);
    expect(unused).toEqual([]);
    for (const [name, tensor] of result.parameters) {
      const [now, then] = [await tensor.read(), await model.parameter(name).read()];
      if (/(in|out)_proj\.weight$/.test(name)) {
        const difference = Float64Array.from(now, (value, i) => value - then[i]!);
        expect(rankOf(difference, tensor.shape[1]!, 1e-3), name).toBe(2);
      } else expect(now, name).toEqual(then);
    }
  });

  test('interrupted and resumed, they end with the same bits', async () => {
    const whole = await tuned({ lora, averageWeights: 0.9, precision: 'bf16', recompute: true });
    const out = newFolder();
    const data = [fileOf(text)];
    const config = { ...tuning, lora, averageWeights: 0.9, precision: 'bf16', recompute: true };
    const stop = new AbortController();
    const first = await train({ config, data, out, from, signal: stop.signal, onProgress: ({ step }) => step === 5 && stop.abort() });
    expect(first.reason).toBe('interrupted');
    await train({ config, data, out, from, resume: true });
    expect(weightsIn(out)).toEqual(weightsIn(whole.out));
    const other = { ...from, model: createModel(smallModel, { seed: 4 }) };
    await expect(train({ config, data, out, from: other, resume: true })).rejects.toThrow(/another recipe: startsFrom/);
  });
});

test('what cannot be is refused before work', async () => {
  const refused = async (changes: object): Promise<string> => {
    const error = await tuned(changes).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(TrainError);
    return (error as Error).message;
  };
  expect(await refused({ freeze: ['*.in_porj.*'] })).toMatch(/no parameter is called "\*\.in_porj\.\*"; the nearest are/);
  expect(await refused({ freeze: ['*'] })).toMatch(/leaves nothing to train/);
  expect(await refused({ lora: { rank: 2, targets: ['*.norm.weight'] } })).toMatch(/norm\.weight is no matrix/);
  expect(await refused({ lora: { rank: 0 } })).toMatch(/lora\.rank is 0/);
  expect(await refused({ lora: { rank: 2 }, freeze: ['*.D'] })).toMatch(/everything else is frozen already/);
  expect(await refused({ model: smallModel })).toMatch(/leave the field out/);
});

test('a model in int8 is refused by name', async () => {
  const int8 = inPrecision(model, 'int8');
  expect(() => new Trained(inPrecision(model, 'w8a8'), { seed: 1 })).toThrow('x_proj.weight is in w8a8, which has no gradient');
  expect(() => new Trained(int8, { seed: 1 })).toThrow(
    "backbone.layers.0.mixer.x_proj.weight is in int8, which has no gradient; train the model in f32: loadModel(path, { dtype: 'f32' })",
  );
});
