// Numbers for the tests of several packages.

/** Uniform numbers in [−1, 1), the same for the same seed. */
export function randomNumbers(seed: number, count: number): Float32Array<ArrayBuffer> {
  let x = (seed * 2654435761 + 1) >>> 0 || 1;
  return Float32Array.from({ length: count }, () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) / 2 ** 31 - 1;
  });
}

/** ‖a − b‖ / ‖b‖; the distance itself where b is 0. */
export function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let apart = 0;
  let size = 0;
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    apart += (a[i]! - b[i]!) ** 2;
    size += b[i]! ** 2;
  }
  return Math.sqrt(size === 0 ? apart : apart / size);
}
