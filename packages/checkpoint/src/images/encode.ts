import { codec } from './codec.js';
import { ContentError } from '../file-reading.js';
import type { RgbImage } from './image.js';

/** A picture as the bytes of a PNG file. The same picture gives the same bytes. */
export async function encodePng({ width, height, data }: RgbImage): Promise<Uint8Array> {
  const { Transformer, CompressionType, FilterType } = await codec();
  const rgba = new Uint8Array(width * height * 4).fill(255);
  for (let from = 0, to = 0; from < data.length; from += 3, to += 4) rgba.set(data.subarray(from, from + 3), to);
  return Transformer.fromRgbaPixels(rgba, width, height).png({ compressionType: CompressionType.Best, filterType: FilterType.Adaptive });
}

/**
 * An SVG picture as the bytes of a PNG file, on white.
 * @throws CheckpointError where its text cannot be drawn: no font of its families (`font-family`) is installed
 */
export async function svgToPng(svg: string): Promise<Uint8Array> {
  const { Transformer } = await codec();
  const [, families] = /font-family="([^"]*)"/.exec(svg) ?? [];
  if (families !== undefined) {
    // a family that is not there is not drawn, and nothing says so
    const letter = `<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20" font-family="${families}"><text x="2" y="16">M</text></svg>`;
    const pixels = await Transformer.fromSvg(letter, '#ffffff').rawPixels();
    if (pixels.every((value) => value === 255))
      throw new ContentError(`no font is installed of those that the picture's text asks for: ${families}; install one, or write an SVG`);
  }
  return Transformer.fromSvg(svg, '#ffffff').png();
}
