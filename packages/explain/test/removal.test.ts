import { expect, test } from 'vitest';
import { removal } from '../src/index.js';
import { classifier, randomIds, smallModel } from './models.js';

const spam = classifier('mean');
const language = smallModel();
const logitOf = async (model: typeof spam, ids: number[], target: number): Promise<number> =>
  (await model.forward(model.batch([ids]), { logits: 'last' }).logits!.read())[target]!;

test('removes exactly the top-ranked and the lowest-ranked groups, and reports the model on what is left', async () => {
  const ids = randomIds(1, 10);
  const groups = [[0, 1], [2], [3, 4, 5], [6, 7], [8, 9]];
  const [report] = await removal({ model: spam, ids, target: 1, groups, rankings: [[5, 1, 9, -3, 0]], share: 0.4 });
  expect(report).toMatchObject({ removed: 2, of: 5 });
  const without = (...gone: number[]): number[] => ids.filter((_, at) => !gone.includes(at));
  expect(report!.logit.original).toBeCloseTo(await logitOf(spam, ids, 1), 4);
  expect(report!.logit.top).toBeCloseTo(await logitOf(spam, without(3, 4, 5, 0, 1), 1), 4);
  expect(report!.logit.lowest).toBeCloseTo(await logitOf(spam, without(6, 7, 8, 9), 1), 4);
});

test('a model that counts one token: removing it first lowers the answer more than chance', async () => {
  const ids = randomIds(2, 60, 20);
  const effects: number[] = [];
  const original = await logitOf(spam, ids, 1);
  for (const position of ids.keys())
    effects.push(
      original -
        (await logitOf(
          spam,
          ids.filter((_, at) => at !== position),
          1,
        )),
    );
  const [truth, turned] = await removal({
    model: spam,
    ids,
    target: 1,
    rankings: [effects, effects.map((effect) => -effect)],
    draws: 8,
    share: 0.2,
  });
  const chance = truth!.logit.random.reduce((sum, logit) => sum + logit, 0) / 8;
  expect(truth!.logit.top).toBeLessThan(chance);
  expect(truth!.logit.lowest).toBeGreaterThan(chance);
  expect(turned!.logit.top).toBe(truth!.logit.lowest);
});

test('the last token of a language model stays; replacing keeps the length', async () => {
  const ids = randomIds(3, 6);
  const [cut] = await removal({ model: language, ids, target: 4, rankings: [[0, 0, 0, 0, 0, 9]], share: 0.2 });
  expect(cut).toMatchObject({ removed: 1, of: 5 });
  expect(cut!.logit.top).toBeCloseTo(await logitOf(language, ids.slice(1), 4), 4); // ties: the first
  const [replaced] = await removal({ model: language, ids, target: 4, rankings: [[0, 0, 7, 0, 0, 0]], share: 0.2, replaceWith: 11 });
  expect(replaced!.logit.top).toBeCloseTo(
    await logitOf(
      language,
      ids.map((id, at) => (at === 2 ? 11 : id)),
      4,
    ),
    4,
  );
});

test('random removals depend on the seed alone', async () => {
  const ids = randomIds(4, 30);
  const draw = async (seed: number): Promise<number[]> =>
    (await removal({ model: spam, ids, target: 0, rankings: [ids], draws: 3, seed }))[0]!.logit.random;
  expect(await draw(1)).toEqual(await draw(1));
  expect(await draw(1)).not.toEqual(await draw(2));
});

test('what cannot be removed is refused', async () => {
  const base = { model: spam, ids: [1, 2, 3], target: 0 };
  await expect(removal({ ...base, rankings: [[1, 2]] })).rejects.toThrow('ranking 0 has 2 scores; there are 3 groups');
  await expect(removal({ ...base, rankings: [[1, 2, 3]], share: 0 })).rejects.toThrow('share is 0');
  await expect(removal({ ...base, ids: [1], rankings: [[1]] })).rejects.toThrow('1 of 1 groups can be removed; at least two');
  await expect(removal({ ...base, target: 3, rankings: [[1, 2, 3]] })).rejects.toThrow('target 3 does not exist');
});
