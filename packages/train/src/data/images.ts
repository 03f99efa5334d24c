import { readSafetensors, type SafetensorsFile } from '@hidden-attention/checkpoint';
import type { Model } from '@hidden-attention/model';
import type { ImageOptions, TrainConfig } from '../config.js';
import { TrainError } from '../errors.js';
import { purposes, randomFor, shuffled } from '../random.js';
import { inPieces, spread, type Data, type DataFile, type HeldOutData, type Sample, type TrainingData } from './data.js';
import { readDataFile } from './files.js';

/** Grey images of one size and their classes. */
interface Images {
  /** (n h w) */
  pixels: Uint8Array;
  labels: Uint8Array;
  height: number;
  width: number;
}

type Settings = Pick<TrainConfig, 'seed' | 'batchSize' | 'accumulation' | 'validation'> & { images: ImageOptions };

/**
 * Labelled images of a vision model: safetensors files with `images` (n h w), U8, grey, and `labels` (n), U8: classes by number.
 * @throws TrainError for a file that is missing or no such file, labels that the model has no class for, or images that its patches
 * do not cover
 */
export async function imageData(paths: readonly string[], model: Model, settings: Settings): Promise<Data> {
  const { head } = model.config;
  const classes = head.kind === 'classifier' ? head.classes : 0;
  const read = async (path: string): Promise<{ images: Images; file: DataFile }> => {
    const { file } = await readDataFile(path);
    const images = await readImages(path, classes);
    const { height, width } = images;
    model.images(new Float32Array(3 * height * width), [1, 3, height, width]).patches.dispose(); // refuses sizes now
    return { images, file };
  };
  const parts = await Promise.all(paths.map(read));
  const all = joined(parts.map(({ images }) => images));
  const files = parts.map(({ file }) => file);
  const { validation } = settings;
  if (!validation) return { training: training(all, settings), heldOut: undefined, files };
  if ('file' in validation) {
    const held = await read(validation.file);
    return { training: training(all, settings), heldOut: heldOut(held.images, settings), files: [...files, held.file] };
  }
  const count = Math.max(1, Math.round(all.labels.length * validation.fraction));
  const order = shuffled(all.labels.length, randomFor(settings.seed, purposes.heldOut));
  return {
    training: training(chosen(all, order.slice(count)), settings),
    heldOut: heldOut(chosen(all, order.slice(0, count)), settings),
    files,
  };
}

async function readImages(path: string, classes: number): Promise<Images> {
  await using file = await readSafetensors(path);
  const [pixels, labels] = [tensorOf(path, file, 'images', 3), tensorOf(path, file, 'labels', 1)];
  const [count, height, width] = pixels.shape as [number, number, number];
  if (labels.shape[0] !== count || count === 0)
    throw new TrainError(`${path} has ${count} images and ${labels.shape[0]} labels; as many of both are needed, at least one`);
  const data = { pixels: (await pixels.read()) as Uint8Array, labels: (await labels.read()) as Uint8Array, height, width };
  const wrong = data.labels.findIndex((label) => label >= classes);
  if (wrong >= 0) throw new TrainError(`${path}: label ${wrong} is ${data.labels[wrong]}; the model's classes are 0 to ${classes - 1}`);
  return data;
}

function tensorOf(
  path: string,
  file: SafetensorsFile,
  name: string,
  axes: number,
): NonNullable<ReturnType<SafetensorsFile['tensors']['get']>> {
  const found = file.tensors.get(name);
  if (found?.dtype === 'U8' && found.shape.length === axes) return found;
  const seen = found ? `${found.dtype} [${found.shape.join(', ')}]` : 'missing';
  throw new TrainError(`${path}: ${name} is ${seen}; U8 ${axes === 3 ? '[count, height, width]' : '[count]'} is needed`);
}

function joined(parts: readonly Images[]): Images {
  const [first] = parts as [Images];
  const other = parts.find(({ height, width }) => height !== first.height || width !== first.width);
  if (other)
    throw new TrainError(`images of ${other.height} × ${other.width} and of ${first.height} × ${first.width} pixels; one size is needed`);
  return parts.length === 1
    ? first
    : {
        ...first,
        pixels: Uint8Array.from(Buffer.concat(parts.map(({ pixels }) => pixels))),
        labels: Uint8Array.from(Buffer.concat(parts.map(({ labels }) => labels))),
      };
}

function chosen({ pixels, labels, height, width }: Images, rows: readonly number[]): Images {
  const size = height * width;
  const some = new Uint8Array(rows.length * size);
  rows.forEach((row, i) => some.set(pixels.subarray(row * size, (row + 1) * size), i * size));
  return { pixels: some, labels: Uint8Array.from(rows, (row) => labels[row]!), height, width };
}

/** Each pass over the images in a new order; what does not fill a step waits for another pass. */
function training(images: Images, { seed, batchSize, accumulation, images: options }: Settings): TrainingData {
  const count = images.labels.length;
  const perStep = Math.min(batchSize * accumulation, count);
  const stepsPerEpoch = Math.floor(count / perStep);
  let known: { epoch: number; order: number[] } | undefined;
  return {
    stepsPerEpoch,
    batch(step, part) {
      const epoch = Math.floor(step / stepsPerEpoch);
      if (known?.epoch !== epoch) known = { epoch, order: shuffled(count, randomFor(seed, epoch, purposes.order)) };
      const start = (step % stepsPerEpoch) * perStep;
      const rows = inPieces(known.order.slice(start, start + perStep), Math.ceil(perStep / accumulation))[part] ?? [];
      return sampleOf(images, rows, options, (row) => randomFor(seed, purposes.augment, epoch, row));
    },
  };
}

function heldOut(images: Images, { batchSize, images: options }: Settings): HeldOutData {
  return {
    bytesPerToken: 1,
    *batches(limit = Infinity) {
      for (const rows of inPieces(spread(images.labels.length, limit * batchSize), batchSize)) yield sampleOf(images, rows, options);
    },
  };
}

/** Some images as three equal channels, normalised; varied where `randomOf` gives an image's random numbers. */
function sampleOf(
  { pixels, labels, height, width }: Images,
  rows: readonly number[],
  options: ImageOptions,
  randomOf?: (row: number) => () => number,
): Sample {
  const size = height * width;
  const result = new Float32Array(rows.length * 3 * size);
  rows.forEach((row, i) => {
    const image = Float32Array.from(
      pixels.subarray(row * size, (row + 1) * size),
      (value) => (value / 255 - options.mean) / options.deviation,
    );
    const shown = randomOf ? varied(image, height, width, options, randomOf(row)) : image;
    for (let channel = 0; channel < 3; channel++) result.set(shown, (3 * i + channel) * size);
  });
  return { images: { pixels: result, shape: [rows.length, 3, height, width] }, labels: Int32Array.from(rows, (row) => labels[row]!) };
}

/** A normalised image moved, mirrored, and with a rectangle erased, as random numbers have it. */
function varied(
  image: Float32Array,
  height: number,
  width: number,
  { shift, mirror, erase, mean, deviation }: ImageOptions,
  random: () => number,
): Float32Array {
  const draw = (count: number): number => Math.floor(random() * count);
  const [down, right] = [draw(2 * shift + 1) - shift, draw(2 * shift + 1) - shift];
  const mirrored = mirror && random() < 0.5;
  const black = -mean / deviation;
  const result = Float32Array.from({ length: image.length }, (_, at) => {
    const [y, x] = [Math.floor(at / width) - down, (at % width) - right];
    if (y < 0 || y >= height || x < 0 || x >= width) return black;
    return image[y * width + (mirrored ? width - 1 - x : x)]!;
  });
  if (random() < erase) {
    const [h, w] = [1 + draw(height / 3), 1 + draw(width / 3)];
    const [top, left] = [draw(height - h + 1), draw(width - w + 1)];
    for (let y = top; y < top + h; y++) result.fill(0, y * width + left, y * width + left + w);
  }
  return result;
}
