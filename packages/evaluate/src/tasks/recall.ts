import { shuffled, wholeBelow } from '../random.js';
import { digits, letters, type Task } from './task.js';

const [pairs, queries] = [8, 4];

/** Letters, each with a digit behind it; then four of the letters again, whose digits are the answers, each behind its letter. */
export const recall: Task = {
  name: 'recall',
  title: 'Multi-query recall',
  summary: 'Letters with a digit each; then one of the letters is asked for again, and its digit is the answer.',
  cite: 'Arora et al. 2023, arXiv 2312.04927',
  length: 2 * pairs + 1 + 2 * queries,
  draw(random) {
    const keys = shuffled([...letters], random).slice(0, pairs);
    const values = keys.map(() => digits[wholeBelow(random, 10)]!);
    const asked = shuffled([...keys.keys()], random).slice(0, queries);
    const last = asked.pop()!;
    const before = asked.map((at) => keys[at]! + values[at]!).join('');
    const start = 2 * pairs + 1;
    // what was answered before is no source of the last answer: its letter was not asked for yet
    return {
      prompt: `${keys.map((key, i) => key + values[i]!).join('')}?${before}${keys[last]!}`,
      completion: values[last]!,
      sources: [{ sure: [2 * last + 1], possible: [2 * last] }],
      earlier: asked.map((at, i) => ({ position: start + 2 * i, sure: [2 * at + 1], possible: [2 * at] })),
    };
  },
  // two pairs or more, all of them asked for
  practise(random) {
    const keys = shuffled([...letters], random).slice(0, 2 + wholeBelow(random, pairs - 1));
    const both = keys.map((key) => key + digits[wholeBelow(random, 10)]!);
    const again = shuffled(both, random).join('');
    return { prompt: `${both.join('')}?${again[0]!}`, completion: again.slice(1) };
  },
};
