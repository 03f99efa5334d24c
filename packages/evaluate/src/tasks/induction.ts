import { shuffled, wholeBelow } from '../random.js';
import { letters, type Task } from './task.js';

/** …xy……x → y: the letter that followed the last one before. */
export const induction: Task = {
  name: 'induction',
  title: 'Induction',
  summary: 'Letters, the last of which came before once; what followed it then is the answer.',
  cite: 'Olsson et al. 2022, arXiv 2209.11895',
  length: 26,
  draw(random) {
    const own = shuffled([...letters], random).slice(0, 24);
    const at = wholeBelow(random, own.length - 2);
    return { prompt: own.join('') + own[at]!, completion: own[at + 1]!, sources: [{ sure: [at + 1], possible: [at] }] };
  },
  // few letters or many, and up to eight of them again, each with what followed it
  practise(random) {
    const own = shuffled([...letters], random).slice(0, 3 + wholeBelow(random, 22));
    const asked = shuffled([...own.keys()].slice(0, -1), random).slice(0, 8);
    const again = asked.map((at) => own[at]! + own[at + 1]!).join('');
    return { prompt: own.join('') + again[0]!, completion: again.slice(1) };
  },
};
