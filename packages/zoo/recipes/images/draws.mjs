// Random choices that a seed alone decides, the same on every machine.
import { fraction } from '../files.mjs';

/** @param {string} seed @returns three ways to draw the next number: `unit()`, `between(from, to)`, `whole(below)` */
export function draws(seed) {
  let count = 0;
  const unit = () => fraction(seed, String(count++));
  return { unit, between: (from, to) => from + (to - from) * unit(), whole: (below) => Math.floor(below * unit()) };
}
