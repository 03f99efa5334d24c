/** How one side of a grid is read for `size` pixels: two places and the share of the second, ends continued. */
function places(count: number, size: number): [low: number, high: number, share: number][] {
  return Array.from({ length: size }, (_, pixel) => {
    const at = Math.max(0, ((pixel + 0.5) * count) / size - 0.5);
    const low = Math.min(count - 1, Math.floor(at));
    return [low, Math.min(count - 1, low + 1), at - low];
  });
}

/**
 * One number a patch, as one a pixel: bilinear, the middles of patches keeping theirs (`align_corners=False` of PyTorch).
 * @param scores (rows columns)
 * @returns (height width)
 */
export function upsampled(
  scores: ArrayLike<number>,
  [rows, columns]: readonly [number, number],
  [height, width]: readonly [number, number],
): Float64Array {
  const down = places(rows, height);
  const across = places(columns, width);
  const result = new Float64Array(height * width);
  down.forEach(([top, bottom, v], y) => {
    across.forEach(([left, right, h], x) => {
      const upper = (1 - h) * scores[top * columns + left]! + h * scores[top * columns + right]!;
      const lower = (1 - h) * scores[bottom * columns + left]! + h * scores[bottom * columns + right]!;
      result[y * width + x] = (1 - v) * upper + v * lower;
    });
  });
  return result;
}
