import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ImageProcessing, LoadedModel, RgbImage } from '@hidden-attention/checkpoint';
import type { VisionConfig } from '@hidden-attention/model';
import * as z from '@hidden-attention/model/schema';
import { EvaluateError } from '../errors.js';
import type { DataSet, Example } from '../example.js';
import { checkReads, labelsOf, spread } from './choose.js';
import { defineData, type DataKind } from './kind.js';

/** A picture, its class by number, and 1 where the object lies that the class is of. */
interface Picture {
  image: RgbImage;
  label: number;
  mask?: Uint8Array;
}

async function processingOf({ model, folder }: LoadedModel): Promise<ImageProcessing> {
  const { parseImageProcessing, readImageProcessing } = await import('@hidden-attention/checkpoint');
  const path = join(folder, 'preprocessor_config.json');
  if (existsSync(path)) return readImageProcessing(path);
  const [height, width] = (model.config as VisionConfig).imageSize;
  return parseImageProcessing({ size: { height, width } });
}

async function examplesOf(pictures: readonly Picture[], loaded: LoadedModel, name: string): Promise<Example[]> {
  const classes = labelsOf(loaded, name).length;
  const { prepareImage } = await import('@hidden-attention/checkpoint');
  const processing = await processingOf(loaded);
  const black = processing.image_mean.map((mean, channel) => -mean / processing.image_std[channel]!);
  return pictures.map(({ image, label, mask }, index) => {
    if (label >= classes) throw new EvaluateError(`image ${index} of "${name}" has the label ${label}; the model has ${classes} classes`);
    const { pixels, shown } = prepareImage(image, processing);
    const { width, height } = shown;
    return {
      index,
      label,
      image: { pixels, shape: [3, height, width], black },
      ...(mask ? { mask: nearest(mask, image, shown) } : {}),
    };
  });
}

/** A mask of a picture's size as one of the size that the model reads. */
function nearest(mask: Uint8Array, from: RgbImage, to: RgbImage): Uint8Array {
  return Uint8Array.from({ length: to.width * to.height }, (_, i) => {
    const y = Math.floor(((Math.floor(i / to.width) + 0.5) * from.height) / to.height);
    const x = Math.floor((((i % to.width) + 0.5) * from.width) / to.width);
    return mask[y * from.width + x]!;
  });
}

/** A grey picture in three channels. */
function grey(values: Uint8Array, width: number, height: number): RgbImage {
  return { width, height, channels: 3, data: Uint8Array.from({ length: 3 * values.length }, (_, i) => values[Math.floor(i / 3)]!) };
}

const common = () => ({ count: z.number().int().positive().optional() });

/** Images as the recipes of the zoo prepare them. */
export const labelledImages: DataKind<{ path: string; count?: number | undefined }> = defineData({
  name: 'labelled-images',
  summary:
    'a safetensors file with `images` U8 [count, h, w], `labels` U8 [count] and, where known, `masks` U8 [count, h, w], 1 on the object',
  options: () => z.strictObject({ path: z.string().min(1), ...common() }),
  async open({ path, count }, loaded, { name, resolve }): Promise<DataSet> {
    checkReads(loaded, 'image', name);
    const { readSafetensors } = await import('@hidden-attention/checkpoint');
    await using file = await readSafetensors(resolve(path));
    const [images, labels, masks] = ['images', 'labels', 'masks'].map((tensor) => file.tensors.get(tensor));
    const [total, height, width] = images?.shape ?? [];
    if (images?.shape.length !== 3 || labels?.shape[0] !== total || images.dtype !== 'U8')
      throw new EvaluateError(`${path} of "${name}": images U8 [count, height, width] and labels U8 [count] are needed`);
    const [pixels, classes, covers] = (await Promise.all([images.read(), labels!.read(), masks?.read()])) as (Uint8Array | undefined)[];
    const size = height! * width!;
    const pictures = spread(total!, count).map((at): Picture => {
      const part = (of: Uint8Array): Uint8Array => of.subarray(at * size, (at + 1) * size);
      return {
        image: grey(part(pixels!), width!, height!),
        label: classes![at]!,
        ...(covers ? { mask: part(covers).map((value) => (value === 1 ? 1 : 0)) } : {}),
      };
    });
    return { name, kind: 'image', examples: await examplesOf(pictures, loaded, name) };
  },
});

const folderSchema = () => z.record(z.string(), z.unknown());
const entries = () => z.array(z.object({ file: z.string(), label: z.number().int().min(0), mask: z.string().optional() }));

/** Image files and a labels.json beside them. */
export const imageFolder: DataKind<{ path: string; set: string; count?: number | undefined }> = defineData({
  name: 'image-folder',
  summary: 'a folder with labels.json: a named list of {"file", "label", "mask"}, masks being pictures that are not black on the object',
  options: () => z.strictObject({ path: z.string().min(1), set: z.string().default('images'), ...common() }),
  async open({ path, set, count }, loaded, { name, resolve }): Promise<DataSet> {
    checkReads(loaded, 'image', name);
    const folder = resolve(path);
    const json = await readFile(join(folder, 'labels.json'), 'utf8').catch(() => {
      throw new EvaluateError(`${path} of "${name}": there is no labels.json`);
    });
    const listed = entries().safeParse(folderSchema().parse(JSON.parse(json))[set]);
    if (!listed.success) throw new EvaluateError(`${path}/labels.json of "${name}" has no list "${set}" of {"file", "label"}`);
    const chosen = spread(listed.data.length, count).map((at) => listed.data[at]!);
    const { readImage } = await import('@hidden-attention/checkpoint');
    const pictures = await Promise.all(
      chosen.map(async ({ file, label, mask }): Promise<Picture> => {
        const image = await readImage(join(folder, file));
        if (!mask) return { image, label };
        const cover = await readImage(join(folder, mask));
        return { image, label, mask: Uint8Array.from({ length: cover.width * cover.height }, (_, i) => (cover.data[3 * i]! > 0 ? 1 : 0)) };
      }),
    );
    return { name, kind: 'image', examples: await examplesOf(pictures, loaded, name) };
  },
});
