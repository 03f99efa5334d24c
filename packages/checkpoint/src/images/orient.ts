import { blank, type RgbImage } from './image.js';

/** Turns a stored picture upright; `orientation` is Exif's, 1 to 8: from 5 on rows and columns change places. */
export function orient(image: RgbImage, orientation: number): RgbImage {
  if (orientation === 1) return image;
  const { width, height, data } = image;
  const fromRight = [2, 3, 7, 8].includes(orientation);
  const fromBottom = [3, 4, 6, 7].includes(orientation);
  const start = (fromRight ? width - 1 : 0) + (fromBottom ? height - 1 : 0) * width;
  const alongRow = fromRight ? -1 : 1;
  const alongColumn = fromBottom ? -width : width;
  const upright = orientation < 5 ? blank(width, height) : blank(height, width);
  const [right, down] = orientation < 5 ? [alongRow, alongColumn] : [alongColumn, alongRow];
  for (let y = 0, to = 0; y < upright.height; y++) {
    for (let x = 0, from = 3 * (start + y * down); x < upright.width; x++, from += 3 * right) {
      upright.data[to++] = data[from]!;
      upright.data[to++] = data[from + 1]!;
      upright.data[to++] = data[from + 2]!;
    }
  }
  return upright;
}
