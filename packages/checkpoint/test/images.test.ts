import { execFileSync } from 'node:child_process';
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { CheckpointError, encodePng, readImage } from '../src/index.js';
import { animatedWebp, cmykJpeg, encoder, exif, jpegWithExif, png, webpWithExif } from './fixtures/images.js';
import { temporaryFolder } from './fixtures/temporary.js';

const folder = temporaryFolder();
afterEach(() => void vi.doUnmock('@napi-rs/image'));

/** 5 × 4 pixels of all kinds of colour. */
const colours = Uint8Array.from({ length: 5 * 4 * 3 }, (_, i) => (37 * i * i + 11 * i) % 256);
/** 24 × 16 pixels: grey blocks of 8 × 8, which a JPEG keeps. */
const blocks = Uint8Array.from({ length: 24 * 16 * 3 }, (_, i) => blockGrey((Math.floor(i / 3) % 24) >> 3, Math.floor(i / 72) >> 3));
function blockGrey(column: number, row: number): number {
  return 20 + 40 * (column + 3 * row);
}

describe('formats', () => {
  test.each([
    ['PNG', () => encoder(5, 4, colours).png()],
    ['lossless WebP', () => encoder(5, 4, colours).webpLossless()],
  ])('a %s gives its pixels, from a path or from bytes', async (_, encode) => {
    const file = await encode();
    writeFileSync(folder.path('picture'), file); // the name does not matter, the content does
    for (const source of [folder.path('picture'), new Uint8Array(file)]) {
      expect(await readImage(source)).toEqual({ width: 5, height: 4, channels: 3, data: colours, notes: [] });
    }
  });

  test.each([
    ['JPEG', () => encoder(24, 16, blocks).jpeg(95)],
    ['WebP', () => encoder(24, 16, blocks).webp(95)],
  ])('a %s gives its pixels nearly', async (_, encode) => {
    const image = await readImage(await encode());
    expect([image.width, image.height, image.notes]).toEqual([24, 16, []]);
    image.data.forEach((value, i) => expect(Math.abs(value - blocks[i]!)).toBeLessThanOrEqual(8));
  });

  test('encodePng and readImage are inverse', async () => {
    const image = { width: 5, height: 4, channels: 3, data: colours } as const;
    expect(await readImage(await encodePng(image))).toEqual({ ...image, notes: [] });
  });

  test('grey of 8 and of 1 bit, and a palette, become RGB', async () => {
    expect((await readImage(png(2, 1, 8, 0, Uint8Array.of(7, 200)))).data).toEqual(Uint8Array.of(7, 7, 7, 200, 200, 200));
    expect((await readImage(png(3, 1, 1, 0, Uint8Array.of(0b10100000)))).data).toEqual(
      Uint8Array.of(255, 255, 255, 0, 0, 0, 255, 255, 255),
    );
    const palette = png(2, 1, 8, 3, Uint8Array.of(1, 0), [['PLTE', Uint8Array.of(1, 2, 3, 40, 50, 60)]]);
    expect((await readImage(palette)).data).toEqual(Uint8Array.of(40, 50, 60, 1, 2, 3));
    const { data } = await readImage(await encoder(24, 16, blocks).grayscale().jpeg());
    expect([data[0], data[0]]).toEqual([data[1], data[2]]);
  });

  test('what is transparent lies over white, and is noted', async () => {
    const image = await readImage(png(4, 1, 8, 6, Uint8Array.of(10, 20, 30, 255, 10, 20, 30, 0, 0, 100, 255, 51, 200, 200, 200, 128)));
    // 51/255 = 1/5: 0 → 204, 100 → 224; 128/255 of 200 and the rest of white → 227.39
    expect([...image.data]).toEqual([10, 20, 30, 255, 255, 255, 204, 224, 255, 227, 227, 227]);
    expect(image.notes).toEqual(['it is partly transparent; it was laid over white']);
    expect((await readImage(png(1, 1, 8, 4, Uint8Array.of(0, 102)))).data).toEqual(Uint8Array.of(153, 153, 153));
    const transparentColour = png(2, 1, 8, 2, Uint8Array.of(1, 2, 3, 4, 5, 6), [['tRNS', Uint8Array.of(0, 4, 0, 5, 0, 6)]]);
    expect((await readImage(transparentColour)).data).toEqual(Uint8Array.of(1, 2, 3, 255, 255, 255));
    expect((await readImage(png(1, 1, 8, 6, Uint8Array.of(1, 2, 3, 255)))).notes).toEqual([]);
  });

  test('16 bits a channel are rounded to 8, and noted', async () => {
    const image = await readImage(png(2, 1, 16, 2, Uint8Array.of(0, 128, 0, 129, 255, 255, 1, 1, 128, 0, 254, 254)));
    // 128/257 < 1/2 < 129/257; 0x0101 is 1, 0xfefe 254
    expect([...image.data]).toEqual([0, 1, 255, 1, 128, 254]);
    expect(image.notes).toEqual(['it has 16 bits a channel; they were rounded to 8']);
    expect([...(await readImage(png(1, 1, 16, 4, Uint8Array.of(0, 0, 128, 128)))).data]).toEqual([127, 127, 127]);
  });

  test('of an animation the first picture is read, and that is noted', async () => {
    const pictures = await Promise.all([colours, colours.map((v) => 255 - v)].map((data) => encoder(5, 4, data).webpLossless()));
    const webp = await readImage(animatedWebp(5, 4, pictures));
    expect(webp).toMatchObject({ width: 5, height: 4, notes: ['it has 2 pictures (an animation); the first was read'] });
    // the decoder blends a frame with what was there, also where it is opaque, and rounds down
    webp.data.forEach((value, i) => expect(Math.abs(value - colours[i]!)).toBeLessThanOrEqual(1));
    const apng = await readImage(png(1, 1, 8, 2, Uint8Array.of(1, 2, 3), [['acTL', Uint8Array.of(0, 0, 0, 3, 0, 0, 0, 0)]]));
    expect(apng).toMatchObject({ data: Uint8Array.of(1, 2, 3), notes: ['it has 3 pictures (an animation); the first was read'] });
  });
});

describe('orientation', () => {
  // what the eye should see of a stored picture abc / def (Exif 2.32, table 6)
  const upright = ['abc/def', 'cba/fed', 'fed/cba', 'def/abc', 'ad/be/cf', 'da/eb/fc', 'fc/eb/da', 'cf/be/ad'];
  const cases = upright.map((seen, i) => [i + 1, seen.split('/')] as const);
  const letterOf = (grey: number): string => 'abcdef'[Math.round((grey - 20) / 40)]!;
  const letters = Uint8Array.from({ length: 18 }, (_, i) => 20 + 40 * Math.floor(i / 3));

  test.each(cases)('%i: %s, in PNG, WebP and JPEG and in either order of bytes', async (orientation, rows) => {
    for (const little of [true, false]) {
      const tiff = exif(orientation, little);
      const files: [Uint8Array, number][] = [
        [png(3, 2, 8, 2, letters, [['eXIf', tiff]]), 1],
        [webpWithExif(await encoder(3, 2, letters).webpLossless(), 3, 2, tiff), 1],
        [jpegWithExif(await encoder(24, 16, blocks).jpeg(95), tiff), 8],
      ];
      for (const [file, block] of files) {
        const { width, height, data, notes } = await readImage(file);
        expect([width, height]).toEqual([rows[0]!.length * block, rows.length * block]);
        const middle = (x: number, y: number): string =>
          letterOf(data[3 * ((y * block + (block >> 1)) * width + x * block + (block >> 1))]!);
        expect(rows.map((row, y) => [...row].map((_, x) => middle(x, y)).join(''))).toEqual(rows);
        expect(notes).toEqual(orientation === 1 ? [] : [`it was turned upright as its Exif orientation ${orientation} says`]);
      }
    }
  });

  test.each([
    ['0', exif(0, true)],
    ['9', exif(9, false)],
    ['another order of bytes', Buffer.from('XX*\0aaaaaaaaaaaaaaaaaaaaaaaaaa')],
    ['a directory behind the end', Buffer.from('II*\0\xff\xff\xff\x7f', 'latin1')],
    ['nothing', Buffer.alloc(0)],
  ])('Exif data with %s change nothing', async (_, tiff) => {
    expect(await readImage(png(3, 2, 8, 2, letters, [['eXIf', tiff]]))).toMatchObject({ data: letters, notes: [] });
  });
});

describe('refused by name', () => {
  const refused = async (source: string | Uint8Array, message: RegExp, limits = {}): Promise<void> => {
    const error = await readImage(source, limits).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(CheckpointError);
    expect((error as Error).message).toMatch(message);
  };

  test('what is no file', async () => {
    mkdirSync(folder.path('folder.png'));
    writeFileSync(folder.path('empty.png'), '');
    execFileSync('mkfifo', [folder.path('pipe.png')]);
    await refused(folder.path('missing.png'), /cannot read .*missing\.png as an image: no such file/);
    await refused(folder.path('folder.png'), /folder\.png as an image: it is a folder/);
    await refused(folder.path('empty.png'), /empty\.png as an image: it is empty/);
    await refused(folder.path('pipe.png'), /pipe\.png as an image: it is no regular file/);
    await refused(new Uint8Array(0), /the bytes given as an image: it is empty/);
  });

  test('a file larger than the limit, before it is read', async () => {
    writeFileSync(folder.path('large.png'), '');
    truncateSync(folder.path('large.png'), 2 ** 40);
    await refused(folder.path('large.png'), /large\.png .*1099511627776 bytes; at most 268435456 are read/);
    await refused(folder.path('large.png'), /at most 100 are read/, { bytes: 100 });
  });

  test('more pixels than the limit, before they are decoded', async () => {
    const started = performance.now();
    await refused(png(30000, 30000, 8, 2, Uint8Array.of()), /30000 × 30000 pixels, 900\.0 megapixels; at most 64 are read/);
    expect(performance.now() - started).toBeLessThan(500);
    await refused(png(5, 4, 8, 2, colours), /5 × 4 pixels, 0\.0 megapixels; at most 0\.00001 are read/, { megapixels: 0.00001 });
  });

  test.each([
    ['text', 'Once upon a time', /it is no image; PNG, JPEG and WebP are read$/],
    ['one byte', '\x89', /it is no image/],
    ['GIF', 'GIF89a\x01\0', /it is a GIF file; PNG, JPEG and WebP are read: save it as one of these/],
    ['TIFF', 'II*\0\x08\0\0\0', /it is a TIFF file/],
    ['BMP', 'BM\0\0', /it is a BMP file/],
    ['AVIF', '\0\0\0\x20ftypavif', /it is an AVIF file/],
    ['HEIC', '\0\0\0\x20ftypheic', /it is a HEIC file/],
    ['SVG', '<svg xmlns="">', /it is an SVG file/],
    ['RIFF that is no WebP', 'RIFF\x24\0\0\0WAVEfmt ', /it is no image/],
    ['no pixels', png(0, 4, 8, 2, Uint8Array.of()), /its header says 0 × 4 pixels/],
  ])('%s', (_, content, message) => refused(typeof content === 'string' ? Buffer.from(content, 'latin1') : content, message));

  test('a JPEG of four channels, or of more bits', async () => {
    await refused(cmykJpeg, /JPEG of four channels \(CMYK\).*save it as RGB/);
    const jpeg = Buffer.from(await encoder(24, 16, blocks).jpeg());
    const frame = jpeg.indexOf(Buffer.of(0xff, 0xc0));
    expect(frame).toBeGreaterThan(0);
    jpeg[frame + 4] = 12;
    await refused(jpeg, /a JPEG of 12 bits a channel; 8 are read/);
  });

  test('a file that was cut short, wherever', async () => {
    const files = {
      png: await encoder(5, 4, colours).png(),
      jpeg: jpegWithExif(await encoder(24, 16, blocks).jpeg(), exif(6, true)),
      lossy: await encoder(24, 16, blocks).webp(),
      lossless: await encoder(5, 4, colours).webpLossless(),
      animated: animatedWebp(5, 4, [await encoder(5, 4, colours).webpLossless(), await encoder(5, 4, colours).webpLossless()]),
    };
    for (const [name, file] of Object.entries(files)) {
      expect((await readImage(file)).width, name).toBeGreaterThan(0);
      for (let length = 0; length < file.length; length++) {
        const error = await readImage(file.subarray(0, length)).then(
          () => new Error(`${name} of ${length} of ${file.length} bytes was read`),
          (thrown: Error) => thrown,
        );
        expect(error).toBeInstanceOf(CheckpointError);
        if (length > 40) expect(error.message).toMatch(/truncated/);
      }
    }
  });

  test('damage inside the picture is told with the words of the decoder', async () => {
    const file = png(5, 4, 8, 2, colours);
    file.fill(0xff, file.indexOf('IDAT') + 4, file.indexOf('IDAT') + 12);
    await refused(file, /it is a damaged PNG file: /);
  });
});

test('the image library is loaded with the first image, and its absence is explained', async () => {
  vi.resetModules();
  vi.doMock('@napi-rs/image', () => {
    throw new Error('no such binary');
  });
  const fresh = await import('../src/index.js'); // does not touch it
  await expect(fresh.readImage(png(1, 1, 8, 0, Uint8Array.of(0)))).rejects.toThrow(
    new RegExp(`@napi-rs/image cannot be loaded on ${process.platform}-${process.arch} .*give pixels instead`),
  );
});
