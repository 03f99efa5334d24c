// The committed models of tasks with known answers solve their tasks.
import { loadModel } from '@hidden-attention/checkpoint';
import { answersWithout } from '@hidden-attention/explain';
import { getData } from '@hidden-attention/evaluate';
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
