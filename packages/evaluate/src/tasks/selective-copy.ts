import { shuffled, wholeBelow } from '../random.js';
import { letters, type Task } from './task.js';

const [count, room] = [6, 40];

/** Six letters among dots, a bar, and the letters without the dots. */
export const selectiveCopy: Task = {
  name: 'selective-copy',
  title: 'Selective copy',
  summary: 'Letters scattered among dots that must be written again without the dots.',
  cite: 'Gu, Dao 2023, arXiv 2312.00752, section 4.1',
  length: room + 1 + count,
  draw(random) {
    const places = shuffled(
      Array.from({ length: room }, (_, at) => at),
      random,
    )
      .slice(0, count)
      .sort((a, b) => a - b);
    const own = places.map(() => letters[wholeBelow(random, 8)]!);
    const text = Array.from({ length: room }, (_, at) => own[places.indexOf(at)] ?? '.').join('');
    return { prompt: `${text}|`, completion: own.join(''), sources: places.map((at) => ({ sure: [at] })) };
  },
};
