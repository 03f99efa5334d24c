import { Named } from '../named.js';
import { randomFor } from '../random.js';
import { copying } from './copy.js';
import { countInRow } from './count-in-row.js';
import { induction } from './induction.js';
import { needle } from './needle.js';
import { recall } from './recall.js';
import { selectiveCopy } from './selective-copy.js';
import type { PracticeText, Task, TaskText } from './task.js';

const tasks = new Named<Task>('task', [induction, copying, selectiveCopy, recall, needle, countInRow]);

/** Makes a task known to the kind of data `known-answer`; refuses a name that is taken, unless `overwrite`. */
export const registerTask = (task: Task, options: { overwrite?: boolean } = {}): void => tasks.add(task, options.overwrite);

/** All known tasks. */
export const listTasks = (): Task[] => tasks.list();

/** Texts of a task, the same for the same seed; training and held-out texts are drawn apart. */
export function taskTexts(name: string, part: 'training' | 'held-out', count: number, seed: number): TaskText[] {
  const task = tasks.get(name);
  return Array.from({ length: count }, (_, index) => task.draw(randomFor(name, part, seed, index)));
}

/** Texts to learn a task from, the same for the same seed. */
export function practiceTexts(name: string, count: number, seed: number): PracticeText[] {
  const task = tasks.get(name);
  return Array.from({ length: count }, (_, index) => {
    const random = randomFor(name, 'training', seed, index);
    const { prompt, completion } = task.practise?.(random) ?? task.draw(random);
    return { prompt, completion };
  });
}
