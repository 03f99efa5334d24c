/**
 * Which points of a long line to draw: of all points in one pixel column the first, the lowest, the highest and the last, so that the
 * line looks the same and no spike is lost.
 * @param across `[points]`, pixels, not decreasing
 * @param values `[points]`
 * @returns ascending indices, at most four per pixel column
 */
export function thin(across: ArrayLike<number>, values: ArrayLike<number>): number[] {
  const kept: number[] = [];
  for (let start = 0; start < across.length;) {
    const column = Math.floor(across[start]!);
    let [end, lowest, highest] = [start, start, start];
    for (; end < across.length && Math.floor(across[end]!) === column; end++) {
      if (values[end]! < values[lowest]!) lowest = end;
      if (values[end]! > values[highest]!) highest = end;
    }
    kept.push(...new Set([start, lowest, highest, end - 1].sort((a, b) => a - b)));
    start = end;
  }
  return kept;
}
