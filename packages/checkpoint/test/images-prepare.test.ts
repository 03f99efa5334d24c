import { writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  CheckpointError,
  denormalize,
  parseImageProcessing,
  preparedSize,
  prepareImage,
  readImageProcessing,
  readPixels,
  writeSafetensors,
  type RgbImage,
} from '../src/index.js';
import { temporaryFolder } from './fixtures/temporary.js';

const folder = temporaryFolder();

const rgb = (width: number, height: number, data: ArrayLike<number>): RgbImage => ({
  width,
  height,
  channels: 3,
  data: Uint8Array.from(data),
});
/** A picture of one row whose three channels are alike. */
const row = (...values: number[]): RgbImage => rgb(values.length, 1, values.flatMap((value) => [value, value, value])); // prettier-ignore
const shownRow = (image: RgbImage, json: object): number[] =>
  [...prepareImage(image, parseImageProcessing(json)).shown.data].filter((_, i) => i % 3 === 0);

describe('resizing', () => {
  test.each([
    // bilinear: places 0.25, 0.75, 1.25, 1.75 of [0, 100], between the middles at 0.5 and 1.5
    ['bilinear, larger', 2, [0, 100], 4, [0, 25, 75, 100]],
    // weights max(0, 1 − |x|/2) at x = −1.5 … 1.5 around the middle: 1/4, 3/4, 3/4, 1/4; outside ones are left out
    ['bilinear, half', 2, [0, 0, 80, 160], 2, [11, 103]],
    // k(1/4) = 111/128, k(3/4) = 29/128, k(5/4) = −9/128: −9/102 → 0; 29/140; the same from the right
    ['bicubic, larger', 3, [0, 100], 4, [0, 21, 79, 109]],
    ['bicubic, one pixel', 3, [77], 3, [77, 77, 77]],
  ])('%s, worked out by hand', (_, resample, from, width, to) => {
    expect(shownRow(row(...from), { size: { height: 1, width }, resample })).toEqual(to);
  });

  // Image.frombytes('RGB', (5, 4), bytes((37*i*i + 11*i) % 256 for i in range(60))).resize(size, resample), Pillow 12.3.0
  test.each([
    [2, 3, 2, '4f89a081a7a05facda737d6f8472747d8ab3'],
    [2, 5, 1, '4879748493a18f7c6869b4c97386c4'],
    [
      2,
      7,
      6,
      '0030aa3f5bc27075c376629833bddb32edf354fcee157095559cae87b6af8da4854ba5c94bb1e16dc0dd339c7b73c994a6e496add36d6c98b26d7acb9072c8554e65967c7fca9783d3875b92c6a19391bab828b87d8455766a70744f757d404d999f94899caf6564ad9cce4a4c6b65141a6b1e0c44966c8b75a0a708b2a6',
    ],
    [3, 3, 2, '4e8aa286afa45badde757b69876f718188b1'],
    [3, 5, 1, '4879748291a18d7a6869b4c97188c4'],
    [
      3,
      7,
      6,
      '0024ab3a54c8786fc973599a28c4e029fffb54fff00d6f964ea0b48cbfb588a7883e9ecf40b2ea6bcddf2aa27772d696b3fa98b0e16d638eb5676ad1966ec74d3b629c7781e59e85e1895a8be2a39395c0cb0db783844f7664706e3e757b364ba4ae948da6b4615caba9e346486e6700036d120543ae678d7baaad00bfa5',
    ],
  ])('resample %i to %i × %i gives the bytes that Pillow gives', (resample, width, height, hex) => {
    const image = rgb(5, 4, Array.from({ length: 60 }, (_, i) => (37 * i * i + 11 * i) % 256)); // prettier-ignore
    const { shown } = prepareImage(image, parseImageProcessing({ size: { height, width }, resample }));
    expect(Buffer.from(shown.data).toString('hex')).toBe(hex);
  });

  test('pictures of one colour keep it; a picture read backwards is resized alike; the same size changes nothing', () => {
    const sides = fc.integer({ min: 1, max: 30 });
    fc.assert(fc.property(sides, sides, sides, sides, fc.constantFrom(2, 3), fc.nat(255), (w, h, width, height, resample, value) => {
      const resized = (data: Uint8Array, size = { height, width }): Uint8Array =>
        prepareImage(rgb(w, h, data), parseImageProcessing({ size, resample })).shown.data;
      expect(new Set(resized(new Uint8Array(w * h * 3).fill(value)))).toEqual(new Set([value]));
      const data = Uint8Array.from({ length: w * h * 3 }, (_, i) => (value + 7 * i) % 256);
      const backwards = resized(data.toReversed()).reverse();
      resized(data).forEach((expected, i) => expect(Math.abs(backwards[i]! - expected)).toBeLessThanOrEqual(1)); // weights are rounded
      expect(resized(data, { height: h, width: w })).toEqual(data);
    }), { numRuns: 40 }); // prettier-ignore
  });

  test('shortest_edge keeps the ratio; the longer side is cut to a whole number', () => {
    const sizeOf = (w: number, h: number, shortest_edge: number): number[] => {
      const { shown } = prepareImage(rgb(w, h, new Uint8Array(w * h * 3)), parseImageProcessing({ size: { shortest_edge } }));
      return [shown.width, shown.height];
    };
    expect(sizeOf(10, 17, 6)).toEqual([6, 10]); // 10.2
    expect(sizeOf(29, 10, 5)).toEqual([14, 5]); // 14.5
    expect(sizeOf(4, 4, 9)).toEqual([9, 9]);
    expect(() => sizeOf(1, 70000, 1000)).toThrow(/1 × 70000 pixels; resized to 1000 × 70000000 it has more than 64 megapixels/);
  });
});

test('the middle is cut out; what is missing is black', () => {
  const crop = (width: number) => ({ do_resize: false, do_center_crop: true, crop_size: { height: 1, width } });
  expect(shownRow(row(1, 2, 3, 4, 5), crop(3))).toEqual([2, 3, 4]);
  expect(shownRow(row(1, 2, 3, 4, 5), crop(2))).toEqual([2, 3]);
  expect(shownRow(row(1, 2, 3), crop(6))).toEqual([0, 0, 1, 2, 3, 0]);
  expect(shownRow(row(1, 2, 3), crop(3))).toEqual([1, 2, 3]);
  const tall = prepareImage(
    rgb(3, 1, [1, 1, 1, 2, 2, 2, 3, 3, 3]),
    parseImageProcessing({ ...crop(1), crop_size: { height: 3, width: 1 } }),
  );
  expect([...tall.shown.data]).toEqual([0, 0, 0, 2, 2, 2, 0, 0, 0]);
});

describe('numbers', () => {
  const plain = { do_resize: false };

  test('channel by channel, (value / 255 − mean) / std', () => {
    const image = rgb(2, 1, [0, 51, 255, 255, 102, 0]);
    const processing = parseImageProcessing({ ...plain, image_mean: [0.5, 0.2, 0], image_std: [0.5, 0.1, 2] });
    const { pixels, shown } = prepareImage(image, processing);
    expect(shown).toEqual(image);
    [-1, 1, 0, 2, 0.5, 0].forEach((value, i) => expect(pixels[i]).toBeCloseTo(value, 6));
    expect(prepareImage(image, parseImageProcessing({ ...plain, do_normalize: false })).pixels[1]).toBe(1);
    expect(prepareImage(image, parseImageProcessing({ ...plain, do_normalize: false, do_rescale: false })).pixels[3]).toBe(102);
    expect(prepareImage(image, parseImageProcessing({ ...plain, do_normalize: false, rescale_factor: 2 })).pixels[3]).toBe(204);
  });

  test('denormalize gives the picture back, and keeps what is outside within 0 to 255', () => {
    const component = fc.double({ min: 0.05, max: 2, noNaN: true });
    const three = fc.tuple(component, component, component);
    fc.assert(fc.property(three, three, fc.boolean(), fc.boolean(), fc.uint8Array({ minLength: 12, maxLength: 12 }), (mean, std, rescale, normalize, data) => {
      const processing = parseImageProcessing({ ...plain, image_mean: mean, image_std: std, do_rescale: rescale, do_normalize: normalize });
      const image = rgb(2, 2, data);
      expect(denormalize(prepareImage(image, processing).pixels, processing, image)).toEqual(image);
    })); // prettier-ignore
    const processing = parseImageProcessing({ size: { height: 1, width: 1 } });
    expect([...denormalize([9, -9, 0], processing).data]).toEqual([255, 0, 128]);
  });

  test('denormalize says when the size is not known or does not fit', () => {
    expect(() => denormalize([0, 0, 0], parseImageProcessing({ size: { shortest_edge: 1 } }))).toThrow(
      /depends on the image; give its size/,
    );
    expect(() => denormalize([0, 0], parseImageProcessing({ size: 2 }))).toThrow(/there are 2 numbers; 3 channels of 2 × 2 are 12/);
  });
});

describe('preprocessor_config.json', () => {
  test('absent fields and nulls take the defaults of ViTImageProcessor', () => {
    const defaults = {
      do_resize: true,
      size: { height: 224, width: 224 },
      resample: 2,
      do_center_crop: false,
      do_rescale: true,
      rescale_factor: 1 / 255,
      do_normalize: true,
      image_mean: [0.5, 0.5, 0.5],
      image_std: [0.5, 0.5, 0.5],
    };
    expect(parseImageProcessing({})).toEqual(defaults);
    expect(parseImageProcessing({ image_processor_type: 'ViTImageProcessorFast', crop_size: null, do_convert_rgb: null })).toEqual(
      defaults,
    );
    expect(parseImageProcessing(JSON.parse(JSON.stringify(parseImageProcessing({ size: 32 }))))).toEqual({
      ...defaults,
      size: { height: 32, width: 32 },
    });
  });

  test('the size of what comes out is known before an image is, but for shortest_edge alone', () => {
    expect(preparedSize(parseImageProcessing({ size: { height: 3, width: 4 } }))).toEqual({ height: 3, width: 4 });
    expect(preparedSize(parseImageProcessing({ size: { shortest_edge: 5 }, do_center_crop: true, crop_size: 4 }))).toEqual({
      height: 4,
      width: 4,
    });
    expect(preparedSize(parseImageProcessing({ size: { shortest_edge: 5 } }))).toBeUndefined();
    expect(preparedSize(parseImageProcessing({ do_resize: false }))).toBeUndefined();
  });

  test.each([
    [{ size: { height: 0, width: 4 } }, /size\.height is 0: .*>=1/],
    [{ size: { longest_edge: 4 } }, /size is \{"longest_edge":4\}: height and width, or shortest_edge/],
    [{ size: { height: 4, width: 99999 } }, /size\.width is 99999: .*<=8000/],
    [{ size: { height: 4.5, width: 4 } }, /size/],
    [{ resample: 0 }, /resample is 0: needed is one of 2 \(bilinear\), 3 \(bicubic\)/],
    [{ do_resize: 'yes' }, /do_resize is "yes": .*boolean/],
    [{ rescale_factor: 0 }, /rescale_factor is 0: .*>0/],
    [{ image_mean: [0.5] }, /image_mean.* is .*three numbers/],
    [{ image_std: [1, 0, 1] }, /image_std\.1 is 0: .*>0/],
    [{ image_mean: 0.5 }, /image_mean is 0\.5: three numbers, one a channel, are needed/],
    [{ do_center_crop: true }, /do_center_crop is true and crop_size is absent/],
    [{ do_center_crop: true, crop_size: { height: 3 } }, /crop_size.*height and width are needed/],
    [{ do_flip_channel_order: true }, /do_flip_channel_order is true: this step is not known; false is needed/],
    [{ resample: 9, do_pad: true }, /do_pad is true.*resample is 9/],
    [
      { image_processor_type: 'CLIPImageProcessor', size: { shortest_edge: 4 } },
      /resample is absent, and the default of CLIPImageProcessor is not known/,
    ],
    [[], /holds \[\]; a JSON object is needed/],
    [null, /holds null; a JSON object is needed/],
  ])('%j is refused', (json, message) => {
    expect(() => parseImageProcessing(json, 'x/preprocessor_config.json')).toThrow(CheckpointError);
    expect(() => parseImageProcessing(json, 'x/preprocessor_config.json')).toThrow(/^x\/preprocessor_config\.json/);
    expect(() => parseImageProcessing(json)).toThrow(message);
  });

  test('a complete file of another processor is read; a file that is none is named', async () => {
    const path = folder.path('preprocessor_config.json');
    const deit = {
      ...parseImageProcessing({}),
      image_processor_type: 'DeiTImageProcessor',
      resample: 3,
      do_center_crop: true,
      crop_size: 224,
    };
    writeFileSync(path, JSON.stringify(deit));
    expect(await readImageProcessing(path)).toMatchObject({ resample: 3, crop_size: { height: 224, width: 224 } });
    writeFileSync(path, '{"size":');
    await expect(readImageProcessing(path)).rejects.toThrow(/preprocessor_config\.json is not JSON/);
    writeFileSync(path, '{"size": "224"}');
    await expect(readImageProcessing(path)).rejects.toThrow(/preprocessor_config\.json: size is "224"/);
    await expect(readImageProcessing(folder.path('none.json'))).rejects.toThrow(
      /cannot read .*none\.json: no such file.*holds preprocessor_config/,
    );
  });
});

describe('readPixels', () => {
  const write = async (name: string, dtype: 'F32' | 'F16', shape: number[], data: Float32Array | Uint16Array): Promise<string> => {
    await writeSafetensors(folder.path('x.safetensors'), [{ name, dtype, shape, data }]);
    return folder.path('x.safetensors');
  };

  test('gives the numbers and the shape', async () => {
    const data = Float32Array.from({ length: 2 * 3 * 2 * 2 }, (_, i) => i / 7 - 1);
    expect(await readPixels(await write('pixels', 'F32', [2, 3, 2, 2], data))).toEqual({ shape: [2, 3, 2, 2], pixels: data });
  });

  test('refuses another name, type, shape, and numbers that are none', async () => {
    const six = new Float32Array(6);
    await expect(readPixels(await write('images', 'F32', [1, 3, 1, 2], six))).rejects.toThrow(
      /x\.safetensors as pixels: it has no tensor "pixels"; it has images/,
    );
    await expect(readPixels(await write('pixels', 'F16', [1, 3, 1, 2], new Uint16Array(6)))).rejects.toThrow(
      /its "pixels" are F16 of \[1, 3, 1, 2\]; F32 of \[images, 3, height, width\] is needed/,
    );
    for (const shape of [
      [3, 1, 2],
      [1, 1, 3, 2],
      [1, 6],
      [1, 3, 2, 1, 1],
    ])
      await expect(readPixels(await write('pixels', 'F32', shape, six))).rejects.toThrow(/is needed/);
    await expect(readPixels(await write('pixels', 'F32', [0, 3, 1, 2], new Float32Array(0)))).rejects.toThrow(/F32 of \[0, 3, 1, 2\]/);
    const bad = new Float32Array(12);
    bad[8] = NaN;
    await expect(readPixels(await write('pixels', 'F32', [2, 3, 1, 2], bad))).rejects.toThrow(/number 2 of image 1 of its "pixels" is NaN/);
    await expect(readPixels(folder.path('none.safetensors'))).rejects.toThrow(/none\.safetensors as safetensors: no such file/);
  });
});
