import { codec } from './codec.js';
import type { RgbImage } from './image.js';

/** A picture as the bytes of a PNG file. The same picture gives the same bytes. */
export async function encodePng({ width, height, data }: RgbImage): Promise<Uint8Array> {
  const { Transformer, CompressionType, FilterType } = await codec();
  const rgba = new Uint8Array(width * height * 4).fill(255);
  for (let from = 0, to = 0; from < data.length; from += 3, to += 4) rgba.set(data.subarray(from, from + 3), to);
  return Transformer.fromRgbaPixels(rgba, width, height).png({ compressionType: CompressionType.Best, filterType: FilterType.Adaptive });
}
