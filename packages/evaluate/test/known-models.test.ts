// The committed models of tasks with known answers: they solve their tasks, and the committed sweep over them is whole.
import { readFileSync } from 'node:fs';
import { loadModel } from '@hidden-attention/checkpoint';
import { answersWithout } from '@hidden-attention/explain';
import { getData, parseSweep, Plan } from '@hidden-attention/evaluate';
import { expect, test } from 'vitest';
import { largestAt } from '../src/ranking.js';

const file = (path: string): string => new URL(path, import.meta.url).pathname;

test.each(['needle', 'count-in-row', 'copy'])('%s: the last answer is right on 49 of 50 held-out texts', async (task) => {
  const loaded = await loadModel(file(`../models/${task}`));
  const kind = getData('known-answer');
  const { examples } = await kind.open(kind.options.parse({ task, count: 50, seed: 11 }), loaded, { name: task, resolve: (path) => path });
  let right = 0;
  for (const { ids, label } of examples) {
    const [logits] = await answersWithout({ model: loaded.model, ids: ids! }, [[]]);
    if (largestAt(logits!) === label) right++;
  }
  expect(right).toBeGreaterThanOrEqual(49);
  loaded.model.dispose();
});

test('the committed sweep has 200 held-out texts a task and three seeds, and everything that it names is there', async () => {
  const sweep = parseSweep(JSON.parse(readFileSync(file('../sweeps/known-answers.json'), 'utf8')));
  expect(sweep.seeds).toHaveLength(3);
  for (const { options } of sweep.data) expect(options['count']).toBeGreaterThanOrEqual(200);
  const plan = await Plan.open(sweep, file('../sweeps'));
  expect(plan.leftOut).toEqual([]);
  expect(new Set(plan.pieces.map(({ explainer }) => explainer)).size).toBe(sweep.explainers.length + 2);
});
