import { inflateSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { diverging, encodePng, heatmap, layerGrid, legend, legendHtml, sequential } from '../src/index.js';
import { byName, parse, textOf } from './markup-tree.js';

/** The size of a palette PNG and the colours of its first `count` pixels. */
function decodePng(png: Uint8Array, count: number): { width: number; height: number; colors: string[] } {
  const bytes = Buffer.from(png);
  const chunks = new Map<string, Buffer>();
  for (let at = 8; at < bytes.length; at += bytes.readUInt32BE(at) + 12)
    chunks.set(bytes.toString('latin1', at + 4, at + 8), bytes.subarray(at + 8, at + 8 + bytes.readUInt32BE(at)));
  const header = chunks.get('IHDR')!;
  const [width, height] = [header.readUInt32BE(0), header.readUInt32BE(4)];
  const rows = inflateSync(chunks.get('IDAT')!);
  const palette = chunks.get('PLTE')!;
  const colors = Array.from({ length: count }, (_, index) => {
    const number = rows[Math.floor(index / width) * (width + 1) + 1 + (index % width)]!;
    return `#${palette.toString('hex', 3 * number, 3 * number + 3)}`;
  });
  return { width, height, colors };
}

const embedded = (svg: string): Uint8Array => Buffer.from(/data:image\/png;base64,([^"]+)/.exec(svg)![1]!, 'base64');

describe('png', () => {
  test('a 2 × 1 picture, byte for byte', () => {
    const png = Buffer.from(encodePng(Uint8Array.of(1, 0), 2, 1, ['#000000', '#ff8000']));
    expect(png.subarray(0, 8).toString('hex')).toBe('89504e470d0a1a0a');
    // IHDR: 13 bytes, 2 × 1, 8 bits, palette
    expect(png.subarray(8, 29).toString('hex')).toBe('0000000d494844520000000200000001' + '0803000000');
    expect(png.subarray(-12).toString('hex')).toBe('0000000049454e44ae426082');
    expect(decodePng(png, 2)).toEqual({ width: 2, height: 1, colors: ['#ff8000', '#000000'] });
  });

  test('refuses sizes and colours that do not fit', () => {
    expect(() => encodePng(new Uint8Array(3), 2, 2, ['#000000'])).toThrow('3 pixels for 2 × 2');
    expect(() => encodePng(Uint8Array.of(1), 1, 1, ['#000000'])).toThrow('pixel 0 has colour 1; the palette ends at 0');
    expect(() => encodePng(Uint8Array.of(0), 1, 1, [])).toThrow('0 colours');
  });
});

describe('heatmap', () => {
  test('a small matrix: a rectangle per value other than zero, with its place and value as tooltip', () => {
    const svg = heatmap({ values: Float32Array.of(0, 1, -0.5, 0.25), rows: 2, columns: 2, signed: true, rowLabels: ['to a', 'to b'] });
    const cells = byName(parse(svg), 'rect').filter((rect) => byName(rect, 'title').length > 0);
    expect(cells.map(({ attributes }) => attributes['fill'])).toEqual([diverging(1), diverging(-0.5), diverging(0.25)]);
    const titles = cells.map((cell) => textOf(byName(cell, 'title')[0]!));
    expect(titles).toEqual(['to a, column 1: +1', 'to b, column 0: \u22120.5', 'to b, column 1: +0.25']);
    expect(svg).toContain('>to a<');
  });

  test.each([true, false])('a large matrix is a picture of the same colours (signed: %s)', (signed) => {
    const values = Float32Array.from({ length: 80 * 70 }, (_, index) => (signed && index % 3 === 0 ? -1 : 1) * ((index % 7) / 6));
    const svg = heatmap({ values, rows: 80, columns: 70, signed });
    expect(byName(parse(svg), 'image')).toHaveLength(1);
    const { width, height, colors } = decodePng(embedded(svg), 700);
    expect([width, height]).toEqual([70, 80]);
    const color = signed ? diverging : sequential;
    colors.forEach((seen, index) => {
      const channels = (text: string): number[] => [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16));
      const wanted = channels(color(values[index]!));
      channels(seen).forEach((channel, axis) => expect(Math.abs(channel - wanted[axis]!)).toBeLessThanOrEqual(3));
    });
  });

  test('2048 × 2048 is drawn, small', () => {
    const values = new Float32Array(2048 * 2048).map((_, index) => Math.max(0, 1 - (index % 2048) / 2048));
    const svg = heatmap({ values, rows: 2048, columns: 2048, signed: false });
    expect(svg.length).toBeLessThan(1_000_000);
    expect(decodePng(embedded(svg), 2048).colors[2047]).toBe(sequential(0));
  });

  test('marks indices at round numbers where labels do not fit', () => {
    const texts = byName(parse(heatmap({ values: new Float32Array(400 * 400), rows: 400, columns: 400, signed: true })), 'text').map(
      textOf,
    );
    expect(texts).toEqual(expect.arrayContaining(['0', '100', '200', '300']));
  });

  test.each([
    [{ values: [1, NaN], rows: 1, columns: 2, signed: true }, 'value at row 0, column 1 is NaN'],
    [{ values: [1, 2], rows: 1, columns: 3, signed: true }, '2 values for 1 rows × 3 columns; it needs 3'],
    [{ values: [], rows: 0, columns: 1, signed: true }, 'rows is 0'],
    [{ values: new Float32Array(2049), rows: 1, columns: 2049, signed: true }, '2049 columns; at most 2048'],
    [{ values: [-1], rows: 1, columns: 1, signed: false }, 'heatmap: values[0] is -1, but the map is declared unsigned'],
    [{ values: [1], rows: 1, columns: 1, signed: true, rowLabels: ['a', 'b'] }, '2 rowLabels; it needs one for each of 1'],
    [{ values: [1], rows: 1, columns: 1, signed: true, size: 0 }, 'size is 0'],
  ])('refuses bad input %#', (map, message) => {
    expect(() => heatmap(map)).toThrow(message);
  });
});

describe('layer grid', () => {
  test('a row per layer and a column per token', () => {
    const svg = parse(layerGrid({ layers: [Float32Array.of(1, 2), [3, -4]], tokens: ['Hi', ' you'], signed: true }));
    const texts = byName(svg, 'text').map(textOf);
    expect(texts).toEqual(expect.arrayContaining(['layer 0', 'layer 1', 'Hi', '␣you', 'token', '\u22124', '+4']));
    expect(byName(svg, 'title').map(textOf)).toContain('layer 1,  you: \u22124');
  });

  test('refuses ragged and empty grids', () => {
    expect(() => layerGrid({ layers: [[1], [1, 2]], tokens: ['a'], signed: true })).toThrow('layers[1] has 2 scores for 1 tokens');
    expect(() => layerGrid({ layers: [], tokens: ['a'], signed: true })).toThrow('0 layers × 1 tokens');
  });
});

describe('legend', () => {
  test('says the scores at its ends, and that scores go beyond', () => {
    expect(byName(parse(legend({ signed: true, limit: 0.25 })), 'text').map(textOf)).toEqual(['score', '\u22120.25', '+0.25', '0']);
    expect(byName(parse(legend({ signed: false, limit: 3, clipped: true, caption: 'weight' })), 'text').map(textOf)).toEqual([
      'weight',
      '0',
      '3 or more',
    ]);
    expect(legendHtml({ signed: true, limit: 1 })).toMatch(/\u22121 .*class="n20".*class="p20".* \+1/);
  });

  test('refuses a limit of zero', () => {
    expect(() => legend({ signed: true, limit: 0 })).toThrow('legend: limit is 0');
  });
});
