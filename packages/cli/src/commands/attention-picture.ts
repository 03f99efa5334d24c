import { extname } from 'node:path';
import type { ChannelChoice, LayerView, Part } from '@hidden-attention/attention';
import { writeFileAtomic, type RgbImage, type SafetensorsInput } from '@hidden-attention/checkpoint';
import { patchesOf, type Batch } from '@hidden-attention/model';
import { layerAnimation, layerStrip } from '@hidden-attention/plot';
import { UsageError } from '../errors.js';
import { dataUrl, writePicture } from '../figures.js';
import type { Place } from '../positions.js';

/** What is asked of each layer: exactly one of a row, a column, the matrix; a mean or channels. */
export interface AttentionQuery {
  name: 'row' | 'column' | 'matrix';
  choice: ChannelChoice;
  /** of a row or column */
  place?: Place;
}

interface Drawn {
  query: AttentionQuery;
  of: Part;
  layers: readonly LayerView[];
  /** what was asked of each layer: (1 1 l) */
  tensors: readonly SafetensorsInput[];
  batch: Batch;
  shown: readonly { shown: RgbImage }[];
}

/** A row or a column of each layer over the image, class tokens left out: side by side (SVG, PNG), or a page that steps through them. */
export async function writeAttentionPicture(out: string, { query, of, layers, tensors, batch, shown }: Drawn): Promise<void> {
  const { grid, classPositions } = patchesOf(batch);
  const [image] = shown;
  const sums = layers.map(({ index }) => tensors.find(({ name }) => name === `layers.${index}.${query.name}`)!);
  const several = sums.find(({ shape }) => shape[1] !== 1);
  if (several || shown.length !== 1)
    throw new UsageError(
      `--out ${out}: a picture shows one image and a mean or one channel; there are ${shown.length} images, ${sums[0]!.shape[1]} channels. Write a .safetensors file for more`,
    );
  const special = new Set(classPositions);
  const scores = sums.map(({ data }) => Array.from(data as Float32Array).filter((_, at) => !special.has(at)));
  const positive = 'reduce' in query.choice && query.choice.reduce !== 'mean';
  const strip = {
    picture: await dataUrl(image!.shown),
    grid,
    layers: scores,
    titles: layers.map(({ index }) => `layer ${index}`),
    signed: !positive && !(of === 'scan' && layers.every(({ kind }) => kind === 'softmax')),
    title: titleOf(query),
  };
  if (extname(out).toLowerCase() === '.html') await writeFileAtomic(out, layerAnimation(strip));
  else await writePicture(out, layerStrip({ ...strip, width: 150, columns: 4 }));
  process.stdout.write(`wrote ${out}\n`);
}

/** "What the class token reads, layer by layer". */
function titleOf({ name, place }: AttentionQuery): string {
  const what =
    place === 'class'
      ? 'the class token'
      : typeof place === 'object'
        ? `the patch in row ${place.row}, column ${place.column}`
        : place === -1
          ? 'the last position'
          : `position ${place}`;
  return name === 'row' ? `What ${what} reads, layer by layer` : `What is read of ${what}, layer by layer`;
}
