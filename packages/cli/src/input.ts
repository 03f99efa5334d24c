import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  denormalize,
  parseImageProcessing,
  prepareImage,
  readImage,
  readImageProcessing,
  readPixels,
  requireTokenizer,
  type ImageProcessing,
  type LoadedModel,
  type RgbImage,
} from '@hidden-attention/checkpoint';
import { batchOfImages, type ImageInput } from '@hidden-attention/explain';
import type { Batch, Model, VisionConfig } from '@hidden-attention/model';
import * as z from '@hidden-attention/model/schema';
import { UsageError } from './errors.js';

/** The INPUT flags of a command; exactly one is given. */
export interface InputFlags {
  text?: string;
  file?: string;
  ids?: string;
  image?: string[];
  pixels?: string;
}

/** One row of the input: its ids, and where it came from text, the text and the part of it that each id covers. */
export interface InputRow {
  ids: number[];
  text: string | null;
  /** UTF-16 offsets into `text` */
  offsets: [start: number, end: number][];
}

/** Images as the model reads them, and as people see them. */
export interface Pictures {
  images: (ImageInput & { shown: RgbImage; name: string })[];
}

const inputNames = ['text', 'file', 'ids', 'image', 'pixels'] as const;

/** @throws UsageError unless exactly one of --text, --file, --ids, --image, --pixels is given */
export function checkInputFlags(flags: InputFlags): void {
  const given = inputNames.filter((name) => flags[name] !== undefined);
  if (given.length === 1) return;
  const seen = given.length === 0 ? 'no input' : given.map((name) => `--${name}`).join(' and ');
  throw new UsageError(`${seen} given; exactly one of --text T, --file F, --ids F, --image F, --pixels F is needed`);
}

/** What the input flags name, as a batch for the model: rows of ids or images. */
export async function readBatch(flags: InputFlags, loaded: LoadedModel): Promise<Batch> {
  const pictures = await readPictures(flags, loaded);
  if (!pictures) return loaded.model.batch((await readInput(flags, loaded)).map(({ ids }) => ids));
  return batchOfImages(loaded.model, pictures.images);
}

/**
 * The images that --image or --pixels name; undefined for text.
 * @throws Error where a model of images is given text, or one of text images
 */
export async function readPictures(flags: InputFlags, { model, folder }: LoadedModel): Promise<Pictures | undefined> {
  const images = flags.image !== undefined || flags.pixels !== undefined;
  if (images !== (model.family.images !== undefined)) {
    const [reads, needed] = images ? ['text', '--text T, --file F or --ids F'] : ['images', '--image F or --pixels F'];
    throw new Error(`the model reads ${reads}; give ${needed}`);
  }
  if (!images) return undefined;
  const processing = await processingOf(model, folder);
  const black = processing.image_mean.map((mean, channel) => -mean / processing.image_std[channel]!);
  if (flags.pixels !== undefined) {
    const { pixels, shape } = await readPixels(flags.pixels);
    const [count, ...one] = shape as [number, number, number, number];
    const size = one[0] * one[1] * one[2];
    return {
      images: Array.from({ length: count }, (_, i) => {
        const own = pixels.slice(i * size, (i + 1) * size);
        return {
          pixels: own,
          shape: one,
          black,
          shown: denormalize(own, processing, { width: one[2], height: one[1] }),
          name: `image ${i}`,
        };
      }),
    };
  }
  const read = async (path: string): Promise<Pictures['images'][number]> => {
    const picture = await readImage(path);
    for (const note of picture.notes) process.stderr.write(`${path}: ${note}\n`);
    const { pixels, shown } = prepareImage(picture, processing);
    return { pixels, shape: [3, shown.height, shown.width], black, shown, name: path };
  };
  return { images: await Promise.all(flags.image!.map(read)) };
}

/** preprocessor_config.json, or else the size that the model was made for and numbers from −1 to 1. */
async function processingOf(model: Model, folder: string): Promise<ImageProcessing> {
  const path = join(folder, 'preprocessor_config.json');
  if (existsSync(path)) return readImageProcessing(path);
  const [height, width] = (model.config as VisionConfig).imageSize;
  return parseImageProcessing({ size: { height, width } });
}

const idsSchema = () => z.union([z.array(z.number()).min(1), z.array(z.array(z.number()).min(1)).min(1)]);

/** The rows that the input flags name; an --ids file may hold one array of ids or an array of them. */
export async function readInput(flags: InputFlags, loaded: LoadedModel): Promise<InputRow[]> {
  if (flags.ids !== undefined) return readIds(flags.ids);
  if (flags.text === undefined && flags.file === undefined)
    throw new UsageError('an image was given where text is read; give --text T, --file F or --ids F');
  const text = flags.text ?? (await readText(flags.file!));
  if (text === '')
    throw new Error(`${flags.text === undefined ? `${flags.file} is` : '--text is'} empty; at least one character is needed`);
  const { ids, offsets } = requireTokenizer(loaded).encode(text);
  return [{ ids, text, offsets }];
}

async function readIds(path: string): Promise<InputRow[]> {
  let json: unknown;
  try {
    json = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw new Error(`--ids ${path}: ${(error as Error).message}`);
  }
  const parsed = idsSchema().safeParse(json);
  if (!parsed.success) throw new Error(`--ids ${path}: needs a JSON array of ids, or an array of such arrays, none of them empty`);
  const rows = typeof parsed.data[0] === 'number' ? [parsed.data as number[]] : (parsed.data as number[][]);
  return rows.map((ids) => ({ ids, text: null, offsets: [] }));
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new Error(`--file ${path}: ${(error as Error).message}`);
  }
}
