import { wholeBelow } from '../random.js';
import { digits, letters, type Task } from './task.js';

const room = 60;

/** A digit behind a # somewhere among letters; a question mark asks for it. */
export const needle: Task = {
  name: 'needle',
  title: 'Needle in noise',
  summary: 'A digit marked with # somewhere among random letters and unmarked digits; the marked digit is the answer.',
  cite: 'passkey retrieval: Mohtashami, Jaggi 2023, arXiv 2305.16300',
  length: room + 2,
  draw(random) {
    const noise = letters + digits;
    const text = Array.from({ length: room }, () => noise[wholeBelow(random, noise.length)]!);
    const at = wholeBelow(random, room - 1);
    text[at] = '#';
    text[at + 1] = digits[wholeBelow(random, 10)]!;
    return { prompt: `${text.join('')}?`, completion: text[at + 1]!, sources: [{ sure: [at + 1], possible: [at] }] };
  },
};
