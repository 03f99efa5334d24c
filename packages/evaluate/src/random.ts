import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';

/**
 * Uniform numbers in [0, 1) that depend on nothing but the key: what was drawn before, on which machine and in which order of
 * work changes nothing.
 */
export function randomFor(...key: readonly (number | string)[]): () => number {
  let hash = 0x811c9dc5;
  for (const character of JSON.stringify(key)) hash = Math.imul(hash ^ character.codePointAt(0)!, 0x01000193) ^ (hash >>> 15);
  const generator = xoroshiro128plus(hash);
  for (let i = 0; i < 4; i++) generator.next(); // close keys start close together
  return () => (generator.next() >>> 0) / 4294967296;
}

/** A whole number from 0 to `below` − 1. */
export const wholeBelow = (random: () => number, below: number): number => Math.floor(random() * below);

/** The entries in random order (Fisher and Yates). */
export function shuffled<T>(entries: readonly T[], random: () => number): T[] {
  const order = [...entries];
  for (let i = order.length - 1; i > 0; i--) {
    const j = wholeBelow(random, i + 1);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}
