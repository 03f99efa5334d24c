import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';

/** What a random draw is for: no two purposes share a key. Batches of a step have the step itself. */
export const purposes = { heldOut: -2, order: -1, inputDropout: -3, cropStart: -4, augment: -5, packing: -6 } as const;

/**
 * Uniform numbers in [0, 1) that depend on nothing but the integers given: any step can be drawn without those before it, so
 * a resumed training replays nothing.
 */
export function randomFor(...key: number[]): () => number {
  let seed = 0x811c9dc5;
  for (const part of key) seed = Math.imul(seed ^ part, 0x01000193) ^ (seed >>> 15);
  const generator = xoroshiro128plus(seed);
  for (let i = 0; i < 4; i++) generator.next(); // close seeds start close together
  return () => (generator.next() >>> 0) / 4294967296;
}

/** The numbers 0 … count−1 in random order (Fisher and Yates). */
export function shuffled(count: number, random: () => number): number[] {
  const order = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}
