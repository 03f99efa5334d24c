import { extname } from 'node:path';
import { encodePng, svgToPng, writeFileAtomic, writeSafetensors, type RgbImage, type SafetensorsInput } from '@hidden-attention/checkpoint';
import { fullName, type Explanation } from '@hidden-attention/explain';

/** A picture as a data URL, which pages and pictures hold in themselves. */
export async function dataUrl(image: RgbImage): Promise<string> {
  return `data:image/png;base64,${Buffer.from(await encodePng(image)).toString('base64')}`;
}

/** Writes a picture, as SVG or, by the file's ending, as PNG. */
export async function writePicture(out: string, svg: string): Promise<void> {
  const data = extname(out).toLowerCase() === '.png' ? Buffer.from(await svgToPng(svg)) : svg;
  await writeFileAtomic(out, data);
}

/**
 * Writes maps as float32 numbers: `rows.0.rollout.scores` [L], `rows.0.rollout.layers` [layers, L], `rows.0.decomposition.groups.2`
 * [groups, L] of layer 2 and, of images, `rows.0.decomposition.pixels` [height, width]. Those of models beside the first begin with `beside.0.`.
 */
export async function writeMaps(out: string, sides: readonly (readonly Explanation[])[]): Promise<void> {
  const tensors: SafetensorsInput[] = [];
  for (const [side, results] of sides.entries())
    for (const { index, maps } of results)
      for (const { method: name, variant, scores, layers, groups, pixels } of maps) {
        const own = `${side > 0 ? `beside.${side - 1}.` : ''}rows.${index}.${fullName({ name, variant })}`;
        const add = (what: string, rows: readonly (readonly number[])[], shape = [rows.length, scores.length]): void =>
          void tensors.push({ name: `${own}.${what}`, dtype: 'F32', shape, data: Float32Array.from(rows.flat()) });
        add('scores', [scores], [scores.length]);
        if (layers) add('layers', layers);
        if (pixels) add('pixels', [pixels.scores], [...pixels.shape]);
        groups?.layers.forEach((layer, at) => add(`groups.${at}`, layer));
      }
  await writeSafetensors(out, tensors);
}
