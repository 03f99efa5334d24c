import { shuffled, wholeBelow } from '../random.js';
import { letters, type Task, type TaskText } from './task.js';

const [count, room] = [6, 40];

/** Six letters among dots, a bar, and the letters without the dots. */
export const selectiveCopy: Task = {
  name: 'selective-copy',
  title: 'Selective copy',
  summary: 'Letters scattered among dots that must be written again without the dots.',
  cite: 'Gu, Dao 2023, arXiv 2312.00752, section 4.1',
  length: room + 1 + count,
  draw: (random) => drawn(random, room, count),
  // few letters in little room, or all in all of it
  practise(random) {
    const own = 1 + wholeBelow(random, count);
    return drawn(random, own + wholeBelow(random, room - own + 1), own);
  },
};

function drawn(random: () => number, size: number, letterCount: number): TaskText {
  const places = shuffled(
    Array.from({ length: size }, (_, at) => at),
    random,
  )
    .slice(0, letterCount)
    .sort((a, b) => a - b);
  const own = places.map(() => letters[wholeBelow(random, 8)]!);
  const text = Array.from({ length: size }, (_, at) => own[places.indexOf(at)] ?? '.').join('');
  return { prompt: `${text}|`, completion: own.join(''), sources: places.map((at) => ({ sure: [at] })) };
}
