import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readImage } from '@hidden-attention/checkpoint';
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { checkCounts, readDataset, readIdx } from '../recipes/images/datasets.mjs';
import { fetchDebianPackage } from '../recipes/images/debian.mjs';
import { draws } from '../recipes/images/draws.mjs';
import { firstOfEachClass } from '../recipes/images/excerpt.mjs';
import { composeScenes, garmentOf } from '../recipes/images/scenes.mjs';
import { contactSheet } from '../recipes/images/sheet.mjs';

const excerpt = fileURLToPath(new URL('../recipes/images/excerpt', import.meta.url));
const index = JSON.parse(await readFile(join(excerpt, 'labels.json'), 'utf8')) as {
  classes: { label: number; name: string }[];
  images: { file: string; label: number }[];
  scenes: { file: string; mask: string; label: number }[];
};
const grey = async (file: string) => {
  const { width, height, data } = await readImage(join(excerpt, file));
  return { width, height, values: data.filter((_, i) => i % 3 === 0) };
};

let folder: string;
beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'images-'))));
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

describe('the excerpt', () => {
  test('is small, and has two images and one scene of each class', async () => {
    const files = await readdir(excerpt);
    const sizes = await Promise.all(files.map(async (file) => (await stat(join(excerpt, file))).size));
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(60_000);
    const named = [...index.images, ...index.scenes].flatMap((entry) =>
      'mask' in entry ? [entry.file, entry.mask as string] : [entry.file],
    );
    expect(files.sort()).toEqual([...named, 'LICENSE', 'labels.json'].sort());
    expect(index.classes).toHaveLength(10);
    expect(index.images.map(({ label }) => label)).toEqual(Array.from({ length: 20 }, (_, i) => i >> 1));
    expect(index.scenes.map(({ label }) => label)).toEqual(Array.from({ length: 10 }, (_, i) => i));
  });

  test('the images are 28 × 28, the scenes 56 × 56; a mask is 1 on one garment and 0 elsewhere', async () => {
    for (const { file } of index.images) expect(await grey(file)).toMatchObject({ width: 28, height: 28 });
    for (const { file, mask } of index.scenes) {
      expect(await grey(file)).toMatchObject({ width: 56, height: 56 });
      const { width, values } = await grey(mask);
      expect(width).toBe(56);
      expect([...new Set(values)].sort()).toEqual([0, 1]);
      const share = values.filter((value) => value === 1).length / values.length;
      expect(share).toBeGreaterThan(0.01);
      expect(share).toBeLessThan(0.4);
    }
  });
});

describe('scenes', () => {
  let sources: { garments: object; digits: object };
  beforeAll(async () => {
    const garments = await Promise.all(index.images.map(async ({ file }) => (await grey(file)).values));
    // in place of digits: a bar and a ring
    const shapes = [
      (x: number, y: number) => Math.abs(x - 13.5) < 2 && Math.abs(y - 13.5) < 10,
      (x: number, y: number) => Math.abs(Math.sqrt((x - 13.5) ** 2 + (y - 13.5) ** 2) - 8) < 2,
    ].map((inside) => Uint8Array.from({ length: 784 }, (_, i) => (inside(i % 28, Math.floor(i / 28)) ? 250 : 0)));
    const split = (images: Uint8Array[], labels: number[]) => ({ count: images.length, images: Buffer.concat(images), labels });
    sources = {
      garments: split(
        garments,
        index.images.map(({ label }) => label),
      ),
      digits: split(shapes, [0, 1]),
    };
  });
  const area = 56 * 56;

  test('the same seed gives the same bytes, on every machine; each scene depends on its number alone', () => {
    const scenes = composeScenes(sources, 20, 'seed');
    const hash = createHash('sha256').update(scenes.images).update(scenes.labels).update(scenes.masks).digest('hex');
    expect(hash).toBe('ed6a6c367724170679475cfab80a9b42a2683d22648c4457e58ec4928025e834');
    const fewer = composeScenes(sources, 7, 'seed');
    expect(Buffer.compare(fewer.images, scenes.images.subarray(0, 7 * area))).toBe(0);
    expect(Buffer.compare(fewer.masks, scenes.masks.subarray(0, 7 * area))).toBe(0);
    expect(Buffer.compare(composeScenes(sources, 7, 'another').images, fewer.images)).not.toBe(0);
  });

  test('each has one garment, of the class of its label, and up to two digits; objects do not touch; the background varies', () => {
    const { images, labels, masks } = composeScenes(sources, 30, 'objects');
    const counts = new Set<number>();
    for (let i = 0; i < 30; i++) {
      expect(labels[i]).toBe(i % 10);
      const mask = masks.subarray(i * area, (i + 1) * area);
      const objects = [...new Set(mask)].filter((value) => value > 0).sort();
      counts.add(objects.length);
      expect(objects[0]).toBe(1);
      expect(Math.max(...objects)).toBeLessThanOrEqual(3);
      mask.forEach((value, at) => {
        const neighbours = [at % 56 < 55 ? mask[at + 1]! : 0, mask[at + 56] ?? 0];
        for (const next of neighbours) expect(value === 0 || next === 0 || value === next).toBe(true);
      });
      const around = images.subarray(i * area, (i + 1) * area).filter((_, at) => mask[at] === 0);
      const mean = around.reduce((sum, value) => sum + value, 0) / around.length;
      expect(Math.sqrt(around.reduce((sum, value) => sum + (value - mean) ** 2, 0) / around.length)).toBeGreaterThan(5);
    }
    expect([...counts].sort()).toEqual([1, 2, 3]);
  });

  test('a garment covers the black that it encloses, and not the black around it', () => {
    const ring = Uint8Array.from({ length: 784 }, (_, i) => {
      const [x, y] = [i % 28, Math.floor(i / 28)];
      return x >= 8 && x < 20 && y >= 8 && y < 20 && !(x >= 12 && x < 16 && y >= 12 && y < 16) ? 200 : 3;
    });
    const { light, cover } = garmentOf(ring);
    expect(cover.filter((value) => value === 255)).toHaveLength(144);
    expect([cover[0], light[0]]).toEqual([0, 0]);
    expect([cover[13 * 28 + 13], light[13 * 28 + 13]]).toEqual([255, 3]);
  });

  test('draws depend on the seed alone and fill their range', () => {
    const [a, b] = [draws('x'), draws('x')];
    const drawn = Array.from({ length: 300 }, () => a.whole(5));
    expect(drawn).toEqual(Array.from({ length: 300 }, () => b.whole(5)));
    for (let value = 0; value < 5; value++) expect(Math.abs(drawn.filter((each) => each === value).length - 60)).toBeLessThan(30);
    const between = Array.from({ length: 300 }, () => a.between(-2, 4));
    expect(Math.min(...between)).toBeGreaterThanOrEqual(-2);
    expect(Math.max(...between)).toBeLessThan(4);
    expect(Math.abs(between.reduce((sum, value) => sum + value) / 300 - 1)).toBeLessThan(0.4);
  });
});

describe('data sets', () => {
  const idx = (...bytes: number[]) => Uint8Array.from(bytes);

  test('an IDX file is read, and refused where it is none, or of other sizes', () => {
    const file = idx(0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6);
    expect(readIdx(file, [undefined, 3])).toEqual(idx(1, 2, 3, 4, 5, 6));
    expect(() => readIdx(file, [undefined, 4])).toThrow(/sizes are 2 × 3 and it has 6 numbers; needed are any × 4/);
    expect(() => readIdx(file, [6])).toThrow(/no IDX file of unsigned bytes with 1 sizes/);
    expect(() => readIdx(file.subarray(0, 17), [2, 3])).toThrow(/it has 5 numbers/);
    expect(() => readIdx(idx(0, 0, 8), [2])).toThrow(/no IDX file/);
  });

  test('classes are counted', () => {
    expect(() => checkCounts('x', [0, 1, 1], [1, 2])).not.toThrow();
    expect(() => checkCounts('x, train', [0, 0, 1], [1, 2])).toThrow(/x, train: images of each class are 2, 1; expected are 1, 2/);
    expect(() => checkCounts('x', [0, 1, 1, 2], [1, 2])).toThrow(/expected/);
  });

  test('files other than the published ones are refused', async () => {
    await writeFile(join(folder, 'train-images-idx3-ubyte'), idx(0, 0, 8, 3));
    await expect(readDataset('fashion', folder)).rejects.toThrow(
      /train-images-idx3-ubyte: its SHA-256 is [0-9a-f]{64}; that of the published file is c59f468a/,
    );
    await expect(readDataset('mnist', join(folder, 'none'))).rejects.toThrow(/no such file.*train-images-idx3-ubyte/);
  });

  // apt-get that makes an empty package, or refuses, and dpkg-deb that unpacks it: nothing here reaches an archive
  const FAKE_APT = `#!/bin/sh
case "$2" in missing*) echo "E: Version '1' for 'missing' was not found" >&2; exit 100;; esac
echo "$2" >> "$FAKE_LOG"
touch whales_1_all.deb
`;
  const FAKE_DPKG = '#!/bin/sh\nmkdir -p "$3/usr/share" && echo whale > "$3/usr/share/text"\n';

  test('a Debian package is fetched and unpacked once; what apt says is passed on', async () => {
    await mkdir(join(folder, 'bin'));
    for (const [name, script] of [
      ['apt-get', FAKE_APT],
      ['dpkg-deb', FAKE_DPKG],
    ] as const) {
      // prettier-ignore
      await writeFile(join(folder, 'bin', name), script);
      await chmod(join(folder, 'bin', name), 0o755);
    }
    vi.stubEnv('PATH', join(folder, 'bin') + delimiter + process.env.PATH);
    vi.stubEnv('FAKE_LOG', join(folder, 'calls'));
    const cache = join(folder, 'cache');
    const log = () => {};
    const first = await fetchDebianPackage('whales', '1.0~git-1', { cache, log });
    expect(await readFile(join(first, 'usr/share/text'), 'utf8')).toBe('whale\n');
    expect(await fetchDebianPackage('whales', '1.0~git-1', { cache, log })).toBe(first);
    expect(await readFile(join(folder, 'calls'), 'utf8')).toBe('whales=1.0~git-1\n');
    await expect(fetchDebianPackage('missing', '1', { cache, log })).rejects.toThrow(
      /missing=1 could not be fetched; this needs Debian .*was not found/,
    );
    expect(await readdir(cache)).toEqual(['whales-1.0~git-1']);
    await expect(fetchDebianPackage('--help', '1', { cache, log })).rejects.toThrow(/no Debian package name/);
    await expect(fetchDebianPackage('whales', 'latest', { cache, log })).rejects.toThrow(/exact version, got "latest"/);
  });
});

test('a contact sheet shows images, and their objects in colours', () => {
  const images = Uint8Array.of(10, 20, 30, 40); // one image of 2 × 2
  const plain = contactSheet(images, undefined, 2);
  expect([plain.width, plain.height]).toEqual([8 * 6, 8 * 6]);
  expect([...plain.data.subarray(0, 12)]).toEqual([10, 10, 10, 10, 10, 10, 20, 20, 20, 20, 20, 20]);
  const masked = contactSheet(images, Uint8Array.of(0, 1, 0, 2), 2);
  expect(masked.width).toBe(8 * 10);
  expect([...masked.data.subarray(12, 15)]).toEqual([10, 10, 10]);
  expect(masked.data[18]).toBeGreaterThan(masked.data[19]!);
});

test('the first of each class are taken, class by class', () => {
  const labels = [1, 0, 1, 0, 1, 0];
  expect(firstOfEachClass(labels, 2)).toEqual([1, 3, 0, 2]);
  expect(firstOfEachClass(labels, 1, (at: number) => at > 1)).toEqual([3, 2]);
});
