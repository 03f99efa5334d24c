// Models with attention layers: states that grow with the text.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createModel, disposeState, joinRows, selectRows, type Model } from '@hidden-attention/model';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { argmax, beamSearch, createSession, generateAll, perplexity, restoreSession, scoreContinuations } from '../src/index.js';
import { expectClose } from './fixtures/models.js';

const sizes = { vocab_size: 29, initializer_range: 0.4 };
const transformer = { hidden_size: 16, num_hidden_layers: 2, num_attention_heads: 2 };
const models: [string, Model][] = [
  ['gpt2', createModel({ ...sizes, model_type: 'gpt2', n_embd: 16, n_layer: 2, n_head: 4, n_positions: 160 }, { seed: 2 })],
  ['gpt_neox', createModel({ ...sizes, ...transformer, model_type: 'gpt_neox' }, { seed: 3 })],
  [
    'jamba',
    createModel(
      { ...sizes, ...transformer, model_type: 'jamba', intermediate_size: 24, attn_layer_period: 2, attn_layer_offset: 1 },
      { seed: 4 },
    ),
  ],
];
let folder: string;
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'caches-'))));
afterAll(() => rmSync(folder, { recursive: true }));

/** Greedy by the definition: the whole text through the model for every token. */
async function greedy(model: Model, row: number[], count: number): Promise<number[]> {
  const all = [...row];
  for (let i = 0; i < count; i++) all.push(argmax(await model.forward(model.batch([all]), { logits: 'last' }).logits!.read()));
  return all.slice(row.length);
}

describe.each(models)('%s', (_, model) => {
  const prompts = [[1, 2, 3, 4, 5, 6], [7], [8, 9, 10]];
  const free = { ignoreEos: true };

  test('rows of different lengths go on together as each alone, past where their caches must grow', async () => {
    const together = await generateAll(model, prompts, { ...free, maxTokens: 140 });
    for (const [r, row] of together.entries()) {
      expect(row.slice(0, 12)).toEqual(await greedy(model, prompts[r]!, 12));
      expect(await generateAll(model, [prompts[r]!], { ...free, maxTokens: 140 })).toEqual([row]);
    }
    // near the end the step still is the scan
    const last = together[1]!.slice(0, 130);
    expect(together[1]!.slice(130, 133)).toEqual(await greedy(model, [7, ...last], 3));
  });

  test('a session in parts, a fork, and one that was saved', async () => {
    const text = [3, 1, 4, 1, 5, 9, 2, 6];
    const whole = await createSession(model).append(text);
    const session = createSession(model);
    await session.append(text.slice(0, 3));
    const fork = session.fork();
    expectClose(await session.append(text.slice(3)), whole);
    await fork.append([20, 21]);
    expectClose(fork.logits!, await createSession(model).append([3, 1, 4, 20, 21]));
    const path = join(folder, 'session.safetensors');
    await session.save(path);
    const restored = await restoreSession(model, path);
    expect(await restored.append([7])).toEqual(await session.append([7]));
  });

  test('rows of states in another order, and states of different lengths joined', async () => {
    const read = (rows: number[][], state?: Parameters<typeof selectRows>[0]): ReturnType<Model['forward']> =>
      model.forward(model.batch(rows), { logits: 'last', ...(state ? { state } : {}) });
    const both = read([
      [1, 2, 3, 4, 5],
      [6, 7],
    ]).state;
    const one = read([[8, 9, 10]]).state;
    const joined = joinRows([selectRows(both, [1, 0]), one]);
    const logits = await read([[11], [12, 13], [14]], joined).logits!.read();
    for (const [r, row] of [
      [6, 7, 11],
      [1, 2, 3, 4, 5, 12, 13],
      [8, 9, 10, 14],
    ].entries())
      expectClose(logits.subarray(r * 29, (r + 1) * 29), await read([row]).logits!.read());
    for (const state of [both, one, joined]) disposeState(state);
  });

  test('beams and scores go on from one prompt as reading all of it does', async () => {
    const prompt = [5, 6, 7];
    const [best] = await beamSearch(model, prompt, { beams: 3, maxTokens: 4, endOfSequence: [] });
    const [score] = await scoreContinuations(model, prompt, [best!.ids, [1]]);
    expect(score!.logProbability).toBeCloseTo(best!.logProbability, 4);
    const { loss } = await perplexity(model, [...prompt, ...best!.ids]);
    const [, rest] = await scoreContinuations(model, [5], [[1], [6, 7, ...best!.ids]]);
    expect(loss * 6).toBeCloseTo(-rest!.logProbability, 3);
  });
});

test('a text longer than a table of positions is refused before work', async () => {
  const [, model] = models[0]!;
  await expect(generateAll(model, [[1, 2, 3]], { maxTokens: 159 })).rejects.toThrow(/3 positions and up to 158 more .* this model has 160/);
  expect(() => model.forward(model.batch([new Array<number>(161).fill(1)]))).toThrow(/161 positions; this model has a table of 160/);
});
