import { wholeBelow } from '../random.js';
import { letters, type Task } from './task.js';

const count = 12;

/** Letters, a bar, and the same letters again. */
export const copying: Task = {
  name: 'copy',
  title: 'Copy',
  summary: 'Letters that must be written again in their order; each comes from the place of the same number.',
  cite: 'Jelassi et al. 2024, arXiv 2402.01032',
  length: 2 * count + 1,
  draw(random) {
    const text = Array.from({ length: count }, () => letters[wholeBelow(random, 8)]!).join('');
    return { prompt: `${text}|`, completion: text, sources: Array.from({ length: count }, (_, at) => ({ sure: [at] })) };
  },
};
