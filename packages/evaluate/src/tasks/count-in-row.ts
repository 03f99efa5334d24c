import { wholeBelow } from '../random.js';
import type { Task } from './task.js';

const room = 32;

/** Zeros and ones; the answer is how many ones stand in a row at the end. */
export const countInRow: Task = {
  name: 'count-in-row',
  title: 'Count in row',
  summary: 'Zeros and ones; how many ones stand in a row at the end is the answer, which the row and the zero before it decide.',
  cite: 'Ali, Zimerman, Wolf 2025, theorem 2',
  length: room + 2,
  draw(random) {
    const ones = wholeBelow(random, 10);
    const text = Array.from({ length: room }, (_, at) => (at >= room - ones ? '1' : at === room - ones - 1 || random() < 0.4 ? '0' : '1'));
    return {
      prompt: `${text.join('')}=`,
      completion: String(ones),
      sources: [{ sure: Array.from({ length: ones + 1 }, (_, i) => room - ones - 1 + i) }],
    };
  },
};
